-- Rows as the program of schema version 1 wrote them, with the columns of that time.

INSERT INTO clients (id, profile, name, redirect_uris, grant_types, auth_method, secret_hash, scope,
    application_type, software_id, software_version, created_at, authorized_at) VALUES
    ('confidential', 'claude', 'Claude', '["https://c.example/cb"]', '["authorization_code","refresh_token"]',
        'client_secret_post', x'1111111111111111111111111111111111111111111111111111111111111111',
        'appstore:read', 'web', 'software', '1', 1767225600000000, 1767225660000000),
    ('public', 'cursor', 'Cursor', '["http://127.0.0.1/cb"]', '["authorization_code"]',
        'none', NULL, '', 'native', '', '', 1767225600000000, 0);

INSERT INTO users (id, domain, issuer, subject, email, name, groups, created_at, signed_in) VALUES
    ('user', 'acme', 'https://idp.example', 'subject', 'a@example.com', 'Ann', '["staff"]', 1767225600000000, 1767225600000000);

INSERT INTO families (id, domain, user_id, subject, client_id, resource, scopes, gen, created_at, absolute_end,
    idle_end, revoked_at, revoked_why) VALUES
    ('family', 'acme', 'user', 'backend', 'confidential', 'https://mcp.example/mcp',
        '["appstore:read","appstore:request"]', 2, 1767225600000000, 1769817600000000, 1767830400000000, 0, '');

INSERT INTO generations (family_id, gen, hash, created_at, rotated_at, sealed) VALUES
    ('family', 1, x'2222222222222222222222222222222222222222222222222222222222222222', 1767225600000000, 1767225600000000, x'abcd'),
    ('family', 2, x'3333333333333333333333333333333333333333333333333333333333333333', 1767225600000000, 0, NULL);

INSERT INTO access_tokens (hash, family_id, scopes, issued_at, expires_at, revoked_at) VALUES
    (x'4444444444444444444444444444444444444444444444444444444444444444', 'family', '["appstore:read"]', 1767225600000000, 1767229200000000, 0);
