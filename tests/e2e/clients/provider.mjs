// An OAuth provider in memory for both SDK generations: instead of opening a
// browser it asks the robot to walk the pages and keeps the callback address.
export class RobotProvider {
  constructor({ robot, person, port = 33445, document, path = '/oauth/callback' }) {
    this.robot = robot;
    this.person = person;
    this.redirect = `http://localhost:${port}${path}`;
    this.clientMetadataUrl = document; // the client's metadata document, instead of registering
    this.asked = 0; // how often a person would have been asked
    this.answering = true; // false: the person is away
    this.log = [];
  }
  get redirectUrl() { return this.redirect; }
  get clientMetadata() {
    return {
      client_name: 'MCP Inspector',
      redirect_uris: [this.redirect],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      application_type: 'native',
    };
  }
  state() { return 'state-' + Math.random().toString(36).slice(2); }
  clientInformation() { return this.client; }
  saveClientInformation(client) { this.client = client; }
  tokens() { return this.saved; }
  saveTokens(tokens) { this.saved = tokens; this.log.push(tokens); }
  saveCodeVerifier(verifier) { this.verifier = verifier; }
  codeVerifier() { return this.verifier; }
  saveDiscoveryState(state) { this.discovery = state; }
  discoveryState() { return this.discovery; }
  invalidateCredentials(scope) {
    if (scope === 'all' || scope === 'client') this.client = undefined;
    if (scope === 'all' || scope === 'tokens') this.saved = undefined;
    if (scope === 'all' || scope === 'verifier') this.verifier = undefined;
    if (scope === 'all' || scope === 'discovery') this.discovery = undefined;
  }
  async redirectToAuthorization(url) {
    this.asked++;
    if (!this.answering) return;
    const answer = await fetch(`${this.robot}/?person=${encodeURIComponent(this.person)}&url=${encodeURIComponent(url)}`);
    if (!answer.ok) throw new Error(`the person could not sign in: ${await answer.text()}`);
    this.callback = new URL((await answer.json()).callback);
  }
}
