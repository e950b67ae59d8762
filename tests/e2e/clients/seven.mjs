// Calls every tool of the App Store by a real client and says for each whether
// its structured content is what was asked for: true, or what came instead.
//
// call takes a tool's name and arguments and resolves with the tool's result.
const app = 'a0000000-0000-4000-8000-000000000002'; // permissions to choose from, and an approver

export async function callAllSeven(call) {
  const report = {};
  const ask = async (name, args, isRight) => {
    const result = await call(name, args);
    const content = result?.structuredContent;
    report[name] = content && !result.isError && isRight(content) ? true : JSON.stringify(result ?? null);
    return content ?? {};
  };
  await ask('search_apps', { query: 'Cinderpost Source' }, (c) => c.apps[0].id === app);
  await ask('get_app', { app_id: app }, (c) => c.id === app && c.permission_selection === 'one');
  const { permissions } = await ask('list_requestable_permissions', { app_id: app }, (c) => c.permissions.length === 4);
  const { request } = await ask(
    'submit_access_request',
    { app_id: app, justification: 'all seven', permission_ids: [permissions?.[0].id] },
    (c) => c.outcome === 'created',
  );
  const id = request?.id;
  await ask('get_access_request', { request_id: id }, (c) => c.request.id === id && c.request.state === 'open');
  await ask('list_access_requests', { state: 'open' }, (c) => c.requests.some((r) => r.id === id));
  await ask('cancel_access_request', { request_id: id, reason: 'tried' }, (c) => c.outcome === 'updated');
  return report;
}
