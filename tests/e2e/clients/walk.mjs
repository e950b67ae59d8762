// Walks the whole way with one real SDK client and prints one JSON object with
// what happened; the Go test judges it.
//
//   node walk.mjs sdk1|client2-legacy|client2-modern
//
// Environment: MCP_URL, ISSUER, ROBOT, PERSON; DOCUMENT is the address of a
// client's metadata document, with which it introduces itself.
import { RobotProvider } from './provider.mjs';
import { callAllSeven } from './seven.mjs';

const flavour = process.argv[2];
const { MCP_URL, ISSUER, ROBOT, PERSON, DOCUMENT } = process.env;

const sdk = flavour === 'sdk1'
  ? {
      ...(await import('@modelcontextprotocol/sdk/client/index.js')),
      ...(await import('@modelcontextprotocol/sdk/client/streamableHttp.js')),
      ...(await import('@modelcontextprotocol/sdk/client/auth.js')),
    }
  : await import('@modelcontextprotocol/client');

const provider = new RobotProvider({ robot: ROBOT, person: PERSON, ...(DOCUMENT && { document: DOCUMENT, path: '/callback' }) });
const report = { flavour };

function newClient() {
  const options = flavour === 'client2-modern' ? { versionNegotiation: { mode: { pin: '2026-07-28' } } } : {};
  return new sdk.Client({ name: 'e2e-' + flavour, version: '1.0.0' }, options);
}

function finish(transport, callback) {
  return flavour === 'sdk1'
    ? transport.finishAuth(callback.searchParams.get('code'))
    : transport.finishAuth(callback.searchParams);
}

// connect signs in when it is asked to, as an application does.
async function connect() {
  let transport = new sdk.StreamableHTTPClientTransport(new URL(MCP_URL), { authProvider: provider });
  let client = newClient();
  try {
    await client.connect(transport);
  } catch (e) {
    if (!(e instanceof sdk.UnauthorizedError) && e.name !== 'UnauthorizedError') throw e;
    report.unauthorizedFirst = true;
    await finish(transport, provider.callback);
    transport = new sdk.StreamableHTTPClientTransport(new URL(MCP_URL), { authProvider: provider });
    client = newClient();
    await client.connect(transport);
  }
  return { client, transport };
}

const call = (client, name, args) => client.callTool({ name, arguments: args });

let { client, transport } = await connect();
report.clientId = provider.client.client_id;
report.protocolVersion = transport.protocolVersion ?? client.getNegotiatedProtocolVersion?.() ?? null;
report.iss = provider.callback.searchParams.get('iss');
report.scope = provider.saved.scope;
report.tools = (await client.listTools()).tools.map((t) => t.name);

const found = await call(client, 'search_apps', { page_size: 3 });
report.searchIsError = found.isError ?? false;
report.apps = found.structuredContent?.apps?.length ?? 0;

// Refresh: the SDK itself presents its refresh token.
const before = provider.saved;
report.refreshed = await sdk.auth(provider, { serverUrl: MCP_URL });
report.rotated = provider.saved.refresh_token !== before.refresh_token && provider.saved.access_token !== before.access_token;
report.askedBeforeWrite = provider.asked;
report.afterRefreshIsError = (await call(client, 'search_apps', { page_size: 1 })).isError ?? false;

// Write. Where the first consent did not cover it, the client has to step up:
// it is refused, a person consents to more, and it calls again.
const appId = found.structuredContent.apps[0].id;
const write = () => call(client, 'submit_access_request', { app_id: appId, justification: 'end-to-end test' });
try {
  const written = await write();
  report.firstWrite = written.isError ? 'tool error' : 'allowed';
  report.write = written.structuredContent ?? written.content;
} catch (e) {
  report.firstWrite = 'refused';
  if (provider.asked > report.askedBeforeWrite) {
    await finish(transport, provider.callback);
    ({ client, transport } = await connect());
    const written = await write();
    report.write = written.structuredContent ?? written.content;
  }
}
report.scopeAfterWrite = provider.saved.scope;
report.seven = await callAllSeven((name, args) => call(client, name, args));

// Revoke (RFC 7009) and see that the door is shut at once.
const metadata = await (await fetch(`${ISSUER}/.well-known/oauth-authorization-server`)).json();
const revoked = await fetch(metadata.revocation_endpoint, {
  method: 'POST',
  headers: { 'content-type': 'application/x-www-form-urlencoded' },
  body: new URLSearchParams({ token: provider.saved.refresh_token, client_id: provider.client.client_id }),
});
report.revokeStatus = revoked.status;
provider.answering = false;
const askedBefore = provider.asked;
try {
  await call(client, 'search_apps', { page_size: 1 });
  report.afterRevoke = 'allowed';
} catch (e) {
  report.afterRevoke = provider.asked > askedBefore ? 'asked to sign in again' : `refused: ${e.message}`;
}

console.log(JSON.stringify(report));
process.exit(0);
