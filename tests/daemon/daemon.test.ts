// SPDX-License-Identifier: BSD-3-Clause
/** The daemon as the command line starts it, with real containers and a store of its own. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { createServer, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { type DaemonClient, daemonClient } from '../../lib-runtime/api/client.ts';
import { listenEvents } from '../../lib-runtime/api/events.ts';
import { API_VERSION } from '../../lib-runtime/api/routes.ts';
import { type DaemonEvent, eventSchema, type Job, type NewJob } from '../../lib-runtime/api/schema.ts';
import { socketTransport } from '../../lib-runtime/daemon/transport.ts';
import { eventually, makeBusyboxTree } from '../../lib-runtime/engines/test-support.ts';
import { type IOutcome, type IWorkplace, makeWorkplace } from '../support/cli.ts';
import { writeOciLayout } from '../support/oci-layout.ts';
import { isThere } from './processes.ts';
import { until } from './running-daemon.ts';

let place: IWorkplace;
let runtime: string;
let tree: string;
let socket: string;
let client: DaemonClient;

const nbcontainer = (words: readonly string[], env: Record<string, string> = {}): Promise<IOutcome> =>
  place.nbcontainer(words, { env: { XDG_RUNTIME_DIR: runtime, ...env } });

beforeEach(async () => {
  // Short: a socket's path has 108 bytes.
  place = await makeWorkplace('/tmp');
  runtime = join(place.directory, 'run');
  await mkdir(runtime, { mode: 0o700 });
  tree = makeBusyboxTree(join(place.directory, 'tree'));
  socket = join(runtime, 'nbcontainer', 'daemon.sock');
  client = daemonClient(socketTransport(socket));
});

afterEach(async () => {
  const { status, stderr } = await nbcontainer(['daemon', 'stop']);
  await place.dispose();
  expect([status, stderr]).toEqual([0, expect.any(String)]);
});

async function start(env: Record<string, string> = {}): Promise<number> {
  const { status, stdout, stderr } = await nbcontainer(['daemon', 'start', '--json'], env);
  expect([status, stderr]).toEqual([0, '']);
  return (JSON.parse(stdout) as { pid: number }).pid;
}

async function ended(id: string): Promise<Job> {
  for (let tries = 0; tries < 600; tries += 1) {
    const job = await client.job(id);
    if (job.state !== 'running') {
      return job;
    }
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  throw new Error('the job does not end');
}

const run = (...command: string[]): Parameters<DaemonClient['startJob']>[0] => ({ kind: 'run', image: tree, command });

test('starts once, private, outlives its starter, says what it is, and leaves nothing when stopped', async () => {
  expect((await nbcontainer(['daemon', 'status'])).status).toBe(3);
  const pids = await Promise.all([start(), start(), start()]);
  expect(new Set(pids).size).toBe(1);
  expect(statSync(join(runtime, 'nbcontainer')).mode & 0o777).toBe(0o700);
  expect(statSync(socket).mode & 0o777).toBe(0o600);
  const file = join(runtime, 'nbcontainer', 'daemon.json');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ pid: pids[0], socket, api: API_VERSION });
  // Field 6 of stat(5) is the session: its own.
  expect(readFileSync(`/proc/${pids[0]}/stat`, 'utf8').split(' ')[5]).toBe(String(pids[0]));
  expect((await nbcontainer(['daemon', 'status', '--json'])).status).toBe(0);
  expect((await nbcontainer(['daemon', 'stop'])).status).toBe(0);
  expect(readdirSync(join(runtime, 'nbcontainer')).filter(name => /^daemon\.(sock|json|lock)/.test(name))).toEqual([]);
});

test('runs a job in a real container, tells its events, keeps its log', async () => {
  await start();
  const events: DaemonEvent[] = [];
  const listener = new WebSocket(`ws+unix://${socket}:/events`);
  listener.on('message', data => events.push(eventSchema.parse(JSON.parse(String(data)))));
  await new Promise((resolve, reject) => listener.once('open', resolve).once('error', reject));
  const job = await client.startJob(run('sh', '-c', 'cat /etc/os-release; exit 7'));
  expect(job.commandLine).toBe(`nbcontainer exec ${tree} sh -c 'cat /etc/os-release; exit 7'`);
  expect(await ended(job.id)).toMatchObject({ state: 'failed', status: 7 });
  expect((await client.jobLog(job.id)).head).toContain('NAME=Busy');
  await eventually(() => events.some(event => event.type === 'job' && event.job.status === 7), 'the last event');
  expect(events[0]).toMatchObject({ type: 'job', job: { id: job.id, state: 'running' } });
  await client.removeJob(job.id);
  await expect(client.job(job.id)).rejects.toMatchObject({ status: 404, code: 'not-found' });
  listener.close();
});

test('keeps head and tail of a flood and counts the middle', async () => {
  await start();
  const job = await client.startJob(run('sh', '-c', 'echo first; seq 400000; echo last'));
  expect((await ended(job.id)).state).toBe('done');
  const { head, tail, droppedBytes } = await client.jobLog(job.id);
  expect(head.includes('first\n1\n2\n')).toBe(true);
  expect(tail.endsWith('399999\n400000\nlast\n')).toBe(true);
  expect([head.length, tail.length]).toEqual([65536, 196608]);
  expect(droppedBytes).toBeGreaterThan(2_000_000);
});

test('cancel ends the container with everything in it', async () => {
  await start();
  const mark = `daemon-cancel-${process.pid}`;
  const job = await client.startJob(run('sh', '-c', `(sleep 1000; : ${mark}) & sleep 1000; : ${mark}`));
  await eventually(() => isThere(mark), 'the container runs');
  expect((await client.removeJob(job.id)).state).toBe('cancelled');
  await eventually(() => !isThere(mark), 'nothing is left');
});

test('a daemon that is killed takes its containers along, and the next one starts', async () => {
  const pid = await start();
  const mark = `daemon-killed-${process.pid}`;
  await client.startJob(run('sh', '-c', `sleep 1000; : ${mark}`));
  await eventually(() => isThere(mark), 'the container runs');
  process.kill(pid, 'SIGKILL');
  await eventually(() => !isThere(mark), 'no container is orphaned', 15);
  expect(await start()).not.toBe(pid);
  expect((await client.jobs()).jobs).toEqual([]);
});

test('a daemon that is killed takes its shells along, also what is deaf to hanging up', async () => {
  const pid = await start();
  const mark = `shell-killed-${process.pid}`;
  // A job that runs must not keep the terminals of the shells open.
  await client.startJob(run('sh', '-c', 'sleep 1000'));
  const deaf = `trap "" HUP TERM; (sleep 1000; : ${mark}) & while :; do sleep 1; done`;
  await client.startShell({ image: tree, command: ['sh', '-c', deaf] });
  await client.startShell({ image: tree, command: ['sh', '-c', `cat; : ${mark}`] });
  await client.startJob(run('sh', '-c', `sleep 1000; : ${mark}`));
  await eventually(() => isThere(mark), 'the containers run');
  expect((await client.version()).busy).toEqual({ jobs: 2, shells: 2 });
  process.kill(pid, 'SIGKILL');
  await eventually(() => !isThere(mark), 'no container is orphaned', 15);
  await start();
  expect((await client.shells()).shells).toEqual([]);
});

test('a shell that runs keeps the daemon, one that has ended does not', async () => {
  const pid = await start({ NBCONTAINER_DAEMON_IDLE: '0.5' });
  const { id } = await client.startShell({ image: tree, command: ['sleep', '3'] });
  await until(async () => (await client.shells()).shells[0]?.state === 'ended', 'its end');
  expect((await client.shells()).shells[0]).toMatchObject({ id, status: 0 });
  await eventually(() => !isAlive(pid), 'it ends');
});

test('a job does not inherit the terminals of shells', async () => {
  const pid = await start();
  await client.startShell({ image: tree, command: ['sleep', '1000'] });
  const held = (of: number): string[] => readdirSync(`/proc/${of}/fd`).map(fd => readlinkSync(`/proc/${of}/fd/${fd}`));
  expect(held(pid).filter(path => path.endsWith('ptmx')).length).toBe(1);
  const mark = `no-terminal-${process.pid}`;
  await client.startJob(run('sh', '-c', `sleep 1000; : ${mark}`));
  await eventually(() => isThere(mark), 'the job runs');
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
  expect(children.length).toBe(2);
  // The shell's own child closes it as soon as it gets its turn.
  await eventually(() => !children.flatMap(held).some(path => path.endsWith('ptmx')), 'no child holds the terminal');
});

test('ends by itself when nobody needs it, but not while a job runs', async () => {
  const pid = await start({ NBCONTAINER_DAEMON_IDLE: '0.5' });
  const job = await client.startJob(run('sleep', '2'));
  expect((await ended(job.id)).state).toBe('done');
  await eventually(() => !isAlive(pid), 'it ends');
  expect(readdirSync(join(runtime, 'nbcontainer')).filter(name => /^daemon\.(sock|json|lock)/.test(name))).toEqual([]);
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('what cannot be understood is refused in one sentence', async () => {
  await start();
  const cases: [string, string, string | undefined, number, string][] = [
    ['POST', '/jobs', '{"kind":"run","image":"--bind=/:/x","command":[]}', 400, 'image: begins with a dash'],
    ['POST', '/jobs', '{"kind":"run","image":"a","command":["\\u0000"]}', 400, 'command.0: holds a NUL'],
    ['POST', '/jobs', '{"kind":"run","image":"a","command":[],"surprise":1}', 400, 'surprise'],
    ['POST', '/jobs', 'no json', 400, 'JSON'],
    ['POST', '/jobs', 'x'.repeat(5 << 20), 400, 'too large'],
    ['GET', '/jobs/none', undefined, 404, 'no such job'],
    ['DELETE', '/images/..%2f..%2fetc', undefined, 404, 'image'],
    ['PUT', '/jobs', '{}', 404, 'no such address']
  ];
  for (const [method, path, body, status, word] of cases) {
    const answer = await raw(method, path, body);
    expect([answer.status, answer.text]).toEqual([status, expect.stringContaining(word)]);
  }
  expect((await client.jobs()).jobs).toEqual([]);
});

test('a pull lands in the list of images, which it can be removed from', async () => {
  await start({ NBCONTAINER_HOME: place.home });
  const layout = join(place.directory, 'layout');
  await writeOciLayout(layout, { layers: [{ entries: [{ name: 'etc/hello', content: 'hello' }] }] });
  const pull = await client.startJob({ kind: 'pull', source: `oci:${layout}` });
  const job = await ended(pull.id);
  expect([job.state, (await client.jobLog(job.id)).head]).toEqual(['done', expect.stringContaining('Pulled oci:')]);
  expect(job.progress).toMatchObject({ phase: 'done', unit: 'bytes' });
  const [image, ...others] = (await client.images()).images;
  expect(others).toEqual([]);
  expect(image?.source).toBe(`oci:${layout}`);
  expect((await client.removeImage(image?.key ?? '')).freedBytes).toBeGreaterThan(0);
  expect((await client.images()).images).toEqual([]);
});

test('a pull in a terminal is told to those who listen, and its image tells what it is', async () => {
  await start({ NBCONTAINER_HOME: place.home });
  const events: DaemonEvent[] = [];
  const states: string[] = [];
  const subscription = listenEvents(socketTransport(socket), {
    onEvent: event => events.push(event),
    onState: state => states.push(state)
  });
  await eventually(() => states.includes('connected'), 'connected');
  const layout = join(place.directory, 'layout');
  await writeOciLayout(layout, { layers: [{ entries: [{ name: 'etc/hello', content: 'hello' }] }] });
  const output = join(place.directory, 'hello.sif');
  expect((await nbcontainer(['pull', output, `oci:${layout}`])).status).toBe(0);
  await eventually(() => events.some(event => event.type === 'images'), 'told');
  const [image] = (await client.images()).images;
  const details = await client.inspect(image?.key ?? '');
  expect(details).toMatchObject({ name: image?.name, path: image?.path, sizeBytes: image?.sizeBytes });
  expect(await client.inspect(output)).toMatchObject({ labels: details.labels });
  expect(details.deffile).toContain('bootstrap');
  await expect(client.inspect('docker://never/pulled:1')).rejects.toMatchObject({ status: 404 });
  subscription.close();
});

test('a pull that is cancelled while the registry is silent leaves nothing', async () => {
  let asked = false;
  const registry = createServer(() => (asked = true));
  await new Promise<void>(resolve => registry.listen(0, '127.0.0.1', resolve));
  const address = registry.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  try {
    await start({ NBCONTAINER_HOME: place.home });
    const source = `docker://127.0.0.1:${port}/silent:1`;
    const { id } = await client.startJob({ kind: 'pull', source, plainHttp: true });
    await eventually(() => asked, 'the registry is asked');
    expect((await client.removeJob(id)).state).toBe('cancelled');
    expect(await place.leftovers()).toEqual([]);
  } finally {
    registry.closeAllConnections();
    registry.close();
  }
});

test('a job whose directory is not there is refused in one sentence, and the daemon lives on', async () => {
  const pid = await start();
  const directory = '/no/such/directory';
  for (const job of [
    { ...run('true'), options: { directory } } as NewJob,
    { kind: 'pull', source: 'oci:/x', directory } as NewJob
  ]) {
    await expect(client.startJob(job)).rejects.toMatchObject({
      status: 404,
      code: 'not-found',
      message: `a job cannot start in ${directory}`
    });
  }
  expect((await client.jobs()).jobs).toEqual([]);
  expect((await client.version()).pid).toBe(pid);
});

test('who is refused a WebSocket and has gone meanwhile does not take the daemon along', async () => {
  const pid = await start();
  const ask = 'GET /no-such-address HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
  for (let times = 0; times < 20; times += 1) {
    const gone = connect(socket);
    await new Promise(resolve => gone.once('connect', resolve));
    gone.write(ask);
    gone.destroy();
    expect((await client.version()).pid).toBe(pid);
  }
});

test('a client of another API is refused, but may ask for the version', async () => {
  await start();
  const headers = { 'x-nbcontainer-api': '999' };
  expect((await raw('GET', '/jobs', undefined, headers)).status).toBe(409);
  expect((await raw('GET', '/version', undefined, headers)).status).toBe(200);
});

test('another user is kept out by the directory', async ({ skip }) => {
  skip(process.getuid?.() !== 0, 'only root can be somebody else');
  await start();
  const script = `require('net').connect(${JSON.stringify(socket)}).on('error', e => console.log(e.code)).on('connect', () => console.log('in'))`;
  const stranger = spawn(process.execPath, ['-e', script], { uid: 65534, gid: 65534, cwd: '/' });
  let said = '';
  stranger.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await new Promise(resolve => stranger.once('close', resolve));
  expect(said).toBe('EACCES\n');
});

function raw(
  method: string,
  path: string,
  body?: string,
  headers: Record<string, string> = {}
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ socketPath: socket, method, path, headers }, response => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    request.on('error', reject);
    request.end(body);
  });
}
