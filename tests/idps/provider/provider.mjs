// An OpenID provider made with oidc-provider, for one client and a few people.
// It listens on loopback, says where in its first line, and writes one line of
// JSON about each authorization and each redeemed code.
import http from 'node:http'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import Provider from 'oidc-provider'

const { CLIENT_ID, CLIENT_SECRET, REDIRECT_URI } = process.env
const people = JSON.parse(process.env.PEOPLE)
const say = (line) => console.log(JSON.stringify(line))

const server = http.createServer()
await new Promise((done) => server.listen(0, '127.0.0.1', done))
const issuer = `http://localhost:${server.address().port}`

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const provider = new Provider(issuer, {
  clients: [{
    client_id: CLIENT_ID, client_secret: CLIENT_SECRET, redirect_uris: [REDIRECT_URI],
    grant_types: ['authorization_code'], response_types: ['code'],
  }],
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid: 'first', use: 'sig', alg: 'RS256' }] },
  cookies: { keys: [randomBytes(32).toString('hex')] },
  pkce: { required: () => true },
  scopes: ['openid', 'email', 'profile', 'groups'],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'], groups: ['groups'] },
  conformIdTokenClaims: false, // claims of scopes are in the ID token, as the large products have it
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_, sub) => {
    const person = people.find((p) => p.sub === sub)
    return person && { accountId: sub, claims: () => person.claims }
  },
  // People are not asked here what the client may know about them.
  async loadExistingGrant(ctx) {
    const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId })
    grant.addOIDCScope('openid email profile groups')
    await grant.save()
    return grant
  },
})

provider.on('authorization.accepted', ({ oidc: { params } }) => {
  say({ event: 'authorization', method: params.code_challenge_method, challenge: params.code_challenge, nonce: params.nonce, resource: params.resource, scope: params.scope })
})
provider.on('grant.success', ({ oidc: { params, client } }) => {
  say({ event: 'redeemed', client: client.clientId, verifier: params.code_verifier })
})
provider.on('server_error', (_, error) => say({ event: 'fault', error: error.message }))
provider.on('grant.error', (_, error) => say({ event: 'refused', error: error.message }))

const page = '<!doctype html><form method="post"><input name="email"><input name="password" type="password"><button>Sign in</button></form>'
const answer = provider.callback()
server.on('request', async (req, res) => {
  if (!req.url.startsWith('/interaction/')) return answer(req, res)
  if (req.method === 'GET') return res.setHeader('Content-Type', 'text/html').end(page)
  let body = ''
  for await (const part of req) body += part
  const form = new URLSearchParams(body)
  const person = people.find((p) => p.login === form.get('email') && p.password === form.get('password'))
  if (!person) return res.writeHead(403).end('this e-mail and password do not match')
  await provider.interactionFinished(req, res, { login: { accountId: person.sub } })
})

say({ issuer })
process.stdin.resume().on('end', () => process.exit(0)) // not longer than whoever started it
