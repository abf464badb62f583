// SPDX-License-Identifier: BSD-3-Clause
/** Shells of the daemon in real containers, through the clients that the front ends use. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { DaemonClient } from '../../lib-runtime/api/client.ts';
import { listenEvents } from '../../lib-runtime/api/events.ts';
import type { DaemonEvent, Shell } from '../../lib-runtime/api/schema.ts';
import { eventually } from '../../lib-runtime/engines/test-support.ts';
import { isThere } from './processes.ts';
import { runningDaemon } from './running-daemon.ts';
import { attach, type IWindow } from './window.ts';

const daemon = runningDaemon();
let tree: string;
let client: DaemonClient;

beforeAll(async () => {
  await daemon.start();
  ({ tree, client } = daemon);
});
afterEach(() => daemon.removeShells());
afterAll(() => daemon.stop());

const start = (...command: string[]): Promise<Shell> => client.startShell({ image: tree, command });

const open = (shell: Shell, size?: { cols: number; rows: number }): Promise<IWindow> => daemon.open(shell.id, size);

test('a shell in a container: types, answers, ends, and leaves its last screen', async () => {
  const shell = await client.startShell({ image: tree });
  expect(shell).toMatchObject({ name: 'tree', state: 'running', commandLine: `nbcontainer shell ${tree}` });
  const window = await open(shell);
  window.connection.send('cat /etc/os-release; tty; stty size; echo $TERM $COLORTERM\n');
  await eventually(() => window.text().includes('xterm-256color truecolor'), 'the answer');
  expect(window.text()).toContain('NAME=Busy');
  expect(window.text()).toContain('24 80');
  expect((await client.version()).busy).toEqual({ jobs: 0, shells: 1 });
  window.connection.send('exit 7\n');
  await eventually(() => window.connection.state === 'ended', 'the end');
  expect(window.status).toBe(7);
  expect((await client.shells()).shells).toMatchObject([{ id: shell.id, state: 'ended', status: 7 }]);
  const late = await open(shell);
  await eventually(() => late.connection.state === 'ended', 'told the end');
  await eventually(() => late.text().includes('NAME=Busy'), 'the last screen');
  await client.removeShell(shell.id);
  const none = attach(daemon.transport, shell.id);
  await eventually(() => none.connection.state === 'gone', 'there is none any more');
});

test('events tell the life of a shell to those who listen', async () => {
  const events: DaemonEvent[] = [];
  const states: string[] = [];
  const subscription = listenEvents(daemon.transport, {
    onEvent: event => events.push(event),
    onState: state => states.push(state)
  });
  await eventually(() => states.includes('connected'), 'connected');
  const shell = await start('sleep', '1000');
  expect((await client.renameShell(shell.id, { name: 'other' })).name).toBe('other');
  await client.removeShell(shell.id);
  await client.removeShell(shell.id);
  await eventually(() => events.at(-1)?.type === 'shell-removed', 'the last event');
  const told = events.map(event => (event.type === 'shell' ? `${event.shell.name} ${event.shell.state}` : event.type));
  expect(told).toEqual(['tree running', 'other running', 'other ended', 'shell-removed']);
  subscription.close();
});

test('names are told apart, and a missing directory is refused', async () => {
  const [first, second] = [await start('sleep', '1000'), await start('sleep', '1000')];
  expect([first.name, second.name]).toEqual(['tree', 'tree (2)']);
  const lost = client.startShell({ image: tree, options: { directory: '/no/such' } });
  await expect(lost).rejects.toMatchObject({ status: 404, message: 'a shell cannot start in /no/such' });
});

test('closing a window detaches: the shell goes on, and another window sees it all', async () => {
  const shell = await start('sh', '-c', 'echo before; read x; echo "read $x"; read y');
  const window = await open(shell);
  await eventually(() => window.text().includes('before'), 'started');
  window.connection.close();
  const other = await open(shell);
  await eventually(() => other.text().includes('before'), 'the same screen');
  other.connection.send('this\n');
  await eventually(() => other.text().includes('read this'), 'it goes on');
});

test('ending a shell ends everything in its container, also what does not want to', async () => {
  const mark = `shell-end-${process.pid}`;
  const shell = await start('sh', '-c', `trap "" HUP TERM; (sleep 1000; : ${mark}) & while :; do sleep 1; done`);
  await eventually(() => isThere(mark), 'the container runs');
  expect((await client.removeShell(shell.id)).state).toBe('ended');
  await eventually(() => !isThere(mark), 'nothing is left');
});
