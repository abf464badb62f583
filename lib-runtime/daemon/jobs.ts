// SPDX-License-Identifier: BSD-3-Clause
/**
 * Jobs: pulls and runs, each a process of the command line itself, so that a job does what the same line would do in
 * a terminal, and nothing of it stays in the daemon's memory.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { openSync } from 'node:fs';
import { jobWords, quoteLine } from '../api/command-line.ts';
import { type Job, type JobLog, type NewJob, progressSchema } from '../api/schema.ts';
import { ContainerError } from '../support/errors.ts';
import { requireHome } from '../support/home.ts';
import { checkDirectory } from './directory.ts';
import type { EventHub } from './events.ts';
import { BoundedLog } from './log.ts';
import { coverTerminals } from './pty.ts';

/** Ended jobs that are remembered. */
const REMEMBERED = 50;
/** After the first request to end a job has this long, in milliseconds. */
const GRACE = 10_000;

interface IJobEntry {
  job: Job;
  readonly log: BoundedLog;
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
  cancelled: boolean;
}

export class Jobs {
  private readonly entries = new Map<string, IJobEntry>();
  private readonly events: EventHub;
  private readonly cli: readonly string[];
  private readonly nothing = openSync('/dev/null', 'r+');

  /** @param cli the words that start the command line: Node and its entry point */
  constructor(cli: readonly string[], events: EventHub) {
    this.cli = cli;
    this.events = events;
  }

  list(): Job[] {
    return [...this.entries.values()].map(entry => entry.job);
  }

  get running(): number {
    return this.list().filter(job => job.state === 'running').length;
  }

  get(id: string): Job {
    return this.entry(id).job;
  }

  log(id: string): JobLog {
    return this.entry(id).log.snapshot();
  }

  /** @throws ContainerError `not-found` for a directory that is not there */
  async start(request: NewJob): Promise<Job> {
    const [program = process.execPath, ...entry] = this.cli;
    const directory = request.kind === 'run' ? request.options?.directory : request.directory;
    const cwd = directory ?? requireHome(process.env);
    await checkDirectory(cwd, 'a job');
    // The channel tells the job when the daemon dies, however it dies: see cli/commands/daemon-job.ts.
    const child = spawn(program, [...entry, 'daemon', 'job', JSON.stringify(request)], {
      cwd,
      stdio: coverTerminals(['ignore', 'pipe', 'pipe', 'ipc'], this.nothing),
      detached: true
    });
    const id = randomBytes(8).toString('hex');
    const job: Job = {
      id,
      kind: request.kind,
      title: request.kind === 'pull' ? request.source : request.image,
      commandLine: quoteLine(['nbcontainer', ...jobWords(request)]),
      state: 'running',
      startedAt: new Date().toISOString()
    };
    const log = new BoundedLog();
    const kept: IJobEntry = { job, log, child, cancelled: false, ended: this.watch(id, child, log) };
    this.entries.set(id, kept);
    this.changed(kept, {});
    return kept.job;
  }

  /** Cancels a job that runs and waits for its end; forgets one that has ended. */
  async remove(id: string): Promise<Job> {
    const entry = this.entry(id);
    if (entry.job.state === 'running') {
      await this.cancel(entry);
    } else {
      this.forget(id);
    }
    return entry.job;
  }

  async stopAll(): Promise<void> {
    const running = [...this.entries.values()].filter(entry => entry.job.state === 'running');
    await Promise.all(running.map(entry => this.cancel(entry)));
  }

  private async cancel(entry: IJobEntry): Promise<void> {
    entry.cancelled = true;
    entry.child.kill('SIGTERM');
    const timer = setTimeout(() => entry.child.kill('SIGKILL'), GRACE);
    await entry.ended;
    clearTimeout(timer);
  }

  private watch(id: string, child: ChildProcess, log: BoundedLog): Promise<void> {
    child.stdout?.on('data', (chunk: Buffer) => log.add(chunk));
    child.stderr?.on('data', (chunk: Buffer) => log.add(chunk));
    child.on('message', message => {
      const entry = this.entries.get(id);
      const progress = progressSchema.safeParse(message);
      if (entry && progress.success) {
        this.changed(entry, { progress: progress.data });
      }
    });
    return new Promise(resolve => {
      const end = (status: number): void => {
        const entry = this.entries.get(id);
        if (entry?.job.state === 'running') {
          const state = entry.cancelled ? 'cancelled' : status === 0 ? 'done' : 'failed';
          this.changed(entry, { state, status, endedAt: new Date().toISOString() });
          this.events.emit({ type: 'images' });
          this.trim();
        }
        resolve();
      };
      child.on('error', error => {
        log.add(Buffer.from(`${error.message}\n`));
        end(255);
      });
      child.once('close', (code, signal) => end(code ?? (signal === 'SIGKILL' ? 137 : 143)));
    });
  }

  private changed(entry: IJobEntry, change: Partial<Job>): void {
    entry.job = { ...entry.job, ...change };
    this.events.emit({ type: 'job', job: entry.job });
  }

  private trim(): void {
    const ended = this.list().filter(job => job.state !== 'running');
    ended.slice(0, Math.max(0, ended.length - REMEMBERED)).forEach(job => this.forget(job.id));
  }

  private forget(id: string): void {
    this.entries.delete(id);
    this.events.emit({ type: 'job-removed', id });
  }

  private entry(id: string): IJobEntry {
    const entry = this.entries.get(id);
    if (!entry) {
      throw new ContainerError({ code: 'not-found', step: 'daemon', message: 'there is no such job' });
    }
    return entry;
  }
}
