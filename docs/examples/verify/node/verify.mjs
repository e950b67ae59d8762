// An API in Node that takes requests of an MCP Edge gateway only, and answers with
// the person for whom each is. Needs Node 20 and jose. See docs/verify-requests.md.
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { createRemoteJWKSet, jwtVerify } from 'jose';

const issuer = process.env.ISSUER, audience = process.env.AUDIENCE;
const keys = createRemoteJWKSet(new URL(`${issuer}/jwks.json`), { cooldownDuration: 60_000, cacheMaxAge: 300_000 });

// verify returns the claims of a request that the gateway signed; path has no query.
async function verify(method, path, authorization, body) {
  const [, token] = /^Bearer (\S+)$/i.exec(authorization ?? '') ?? [];
  const { payload } = await jwtVerify(token ?? '', keys, {
    issuer, audience, typ: 'at+jwt', algorithms: ['EdDSA', 'ES256'], clockTolerance: 30, maxTokenAge: 60, requiredClaims: ['sub', 'exp', 'jti'],
  });
  const digest = body.length ? `sha-256=:${createHash('sha256').update(body).digest('base64')}:` : undefined;
  if (payload.htm !== method || payload.htu !== audience + path || payload.content_digest !== digest) {
    throw new Error('not the request that was signed');
  }
  return payload;
}

const server = createServer(async (req, res) => {
  try {
    const chunks = [];
    let size = 0;
    for await (const chunk of req) {
      if ((size += chunk.length) > 1 << 20) throw new Error('the body is too long');
      chunks.push(chunk);
    }
    const { email, sub } = await verify(req.method, req.url.split('?')[0], req.headers.authorization, Buffer.concat(chunks));
    res.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ email, sub }));
  } catch (why) {
    console.error('refused:', why.message);
    res.writeHead(401, { 'Content-Type': 'application/json', 'WWW-Authenticate': 'Bearer error="invalid_token"' }).end('{"error":"invalid_token"}');
  }
});
server.listen(Number(process.env.PORT || 0), '127.0.0.1', () => console.log(`listening on 127.0.0.1:${server.address().port}`));
