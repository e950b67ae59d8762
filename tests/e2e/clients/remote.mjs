// Drives mcp-remote: a stdio client on one side, our gateway on the other. It
// prints one JSON object with what happened; the Go test judges it.
//
// Environment: MCP_URL, ISSUER, ROBOT, PERSON, MCP_REMOTE_CONFIG_DIR, PORT.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { callAllSeven } from './seven.mjs';

const { MCP_URL, ISSUER, ROBOT, PERSON, MCP_REMOTE_CONFIG_DIR, PORT } = process.env;
const report = { flavour: 'mcp-remote', authorizations: 0 };

const require = createRequire(import.meta.url);
const manifest = require.resolve('mcp-remote/package.json');
const program = join(dirname(manifest), require(manifest).bin['mcp-remote']);
const child = spawn(process.execPath, [program, MCP_URL, PORT, '--transport', 'http-only', '--host', 'localhost'], {
  env: { ...process.env, BROWSER: 'none' },
});

let answering = true;
let errors = '';
createInterface({ input: child.stderr }).on('line', async (line) => {
  errors += line + '\n';
  const url = line.match(/https:\/\/\S+\/authorize\?\S+/)?.[0];
  if (!url) return;
  report.authorizations++;
  if (!answering) return;
  const answer = await fetch(`${ROBOT}/?follow=1&person=${encodeURIComponent(PERSON)}&url=${encodeURIComponent(url)}`);
  if (!answer.ok) fail(`the person could not sign in: ${await answer.text()}`);
});

const waiting = new Map();
createInterface({ input: child.stdout }).on('line', (line) => {
  const message = JSON.parse(line);
  waiting.get(message.id)?.(message);
});

function fail(why) {
  console.error(why + '\n' + errors);
  child.kill();
  process.exit(1);
}

let id = 0;
const send = (message) => child.stdin.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\n');
// request resolves with the answer, or with null after the time in milliseconds.
function request(method, params, patience = 60000) {
  const mine = ++id;
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(null), patience);
    waiting.set(mine, (m) => { clearTimeout(timer); resolve(m); });
    send({ id: mine, method, params });
  });
}

function stored(suffix) {
  for (const entry of readdirSync(MCP_REMOTE_CONFIG_DIR, { recursive: true })) {
    if (entry.endsWith(suffix)) return JSON.parse(readFileSync(join(MCP_REMOTE_CONFIG_DIR, entry), 'utf8'));
  }
  return null;
}

const hello = await request('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'e2e-stdio', version: '1' } });
if (!hello?.result) fail('initialize was not answered');
report.protocolVersion = hello.result.protocolVersion;
send({ method: 'notifications/initialized' });
report.tools = (await request('tools/list', {}))?.result?.tools?.map((t) => t.name) ?? [];
const found = await request('tools/call', { name: 'search_apps', arguments: { page_size: 2 } });
report.apps = found?.result?.structuredContent?.apps?.length ?? 0;
report.seven = await callAllSeven(async (name, args) => (await request('tools/call', { name, arguments: args }))?.result);

// End the access token only (RFC 7009), as its expiry would: mcp-remote has to
// refresh at the next call.
const metadata = await (await fetch(`${ISSUER}/.well-known/oauth-authorization-server`)).json();
const client = stored('client_info.json');
async function revoke(token) {
  const body = new URLSearchParams({ token, client_id: client.client_id });
  if (client.client_secret) body.set('client_secret', client.client_secret);
  return (await fetch(metadata.revocation_endpoint, { method: 'POST', body })).status;
}
const first = stored('tokens.json');
report.accessRevoked = await revoke(first.access_token);
const again = await request('tools/call', { name: 'search_apps', arguments: { page_size: 1 } });
report.afterRefresh = again?.result?.structuredContent?.apps?.length ?? 0;
const second = stored('tokens.json');
report.rotated = second.refresh_token !== first.refresh_token;
report.authorizationsBeforeRevoke = report.authorizations;

report.revokeStatus = await revoke(second.refresh_token);
answering = false;
const refused = await request('tools/call', { name: 'search_apps', arguments: {} }, 8000);
report.afterRevoke = refused?.result && !refused.result.isError ? 'allowed' : refused?.error ? 'refused' : 'asked to sign in again';
console.log(JSON.stringify(report));
child.kill();
process.exit(0);
