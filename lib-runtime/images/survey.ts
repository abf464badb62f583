// SPDX-License-Identifier: BSD-3-Clause
/**
 * Looks at a tree while it streams into a sink: which of some paths exist, and which machine its programs are for.
 * SIF records the machine of the container's files, not the platform that the registry promised
 * (apptainer internal/pkg/util/machine: /bin/sh, else any program).
 */
import type { EntryType, ITreeEntry, ITreeSink } from '../formats/tree.ts';
import { ELF_HEAD, machineOfElf } from './elf.ts';
import { parentOf } from './layer.ts';

const EXECUTABLE = 0o111;
const SYMLINK_LIMIT = 40;

export class SurveyingSink implements ITreeSink {
  /** Entries added, and bytes of their files. */
  entries = 0;
  bytes = 0;
  readonly #sink: ITreeSink;
  readonly #watched: ReadonlySet<string>;
  readonly #types = new Map<string, EntryType>();
  readonly #symlinks = new Map<string, string>();
  readonly #shells = new Map<string, string>();
  readonly #machines = new Map<string, number>();
  readonly #onEntry: ((sink: SurveyingSink) => void) | undefined;

  /** @param watched paths that typeOf() will be asked for. */
  constructor(sink: ITreeSink, watched: Iterable<string>, onEntry?: (sink: SurveyingSink) => void) {
    this.#sink = sink;
    this.#watched = new Set(watched);
    this.#onEntry = onEntry;
  }

  async add(entry: ITreeEntry, content?: AsyncIterable<Uint8Array>): Promise<void> {
    this.entries++;
    this.bytes += entry.size;
    if (this.#watched.has(entry.path)) {
      this.#types.set(entry.path, entry.type);
    }
    if (entry.type === 'symlink') {
      this.#symlinks.set(entry.path, entry.linkTarget ?? '');
    } else if (entry.type === 'hardlink') {
      const machine = this.#shells.get(entry.linkTarget ?? '');
      if (machine !== undefined) {
        this.#shells.set(entry.path, machine);
      }
    }
    const isProgram = entry.type === 'file' && (entry.mode & EXECUTABLE) !== 0 && entry.size >= ELF_HEAD;
    await this.#sink.add(entry, isProgram && content ? this.#peek(entry.path, content) : content);
    this.#onEntry?.(this);
  }

  /** Type of a watched path; undefined when it was not added. */
  typeOf(path: string): EntryType | undefined {
    return this.#types.get(path);
  }

  /** `uname -m` name; undefined when the tree holds no program that is known. */
  machine(): string | undefined {
    const shell = this.#shells.get(this.#resolve('bin/sh'));
    if (shell !== undefined) {
      return shell;
    }
    return [...this.#machines].sort((a, b) => b[1] - a[1])[0]?.[0];
  }

  async *#peek(path: string, content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let head: Uint8Array | undefined = new Uint8Array(0);
    for await (const chunk of content) {
      if (head) {
        head = Buffer.concat([head, chunk.subarray(0, ELF_HEAD)]);
        if (head.length >= ELF_HEAD) {
          this.#note(path, machineOfElf(head));
          head = undefined;
        }
      }
      yield chunk;
    }
  }

  #note(path: string, machine: string | undefined): void {
    if (machine === undefined) {
      return;
    }
    this.#machines.set(machine, (this.#machines.get(machine) ?? 0) + 1);
    if (parentOf(path).endsWith('bin')) {
      this.#shells.set(path, machine);
    }
  }

  /** Follows symlinks of the tree; ends at a path that is none. */
  #resolve(path: string): string {
    let todo = path.split('/');
    let done: string[] = [];
    for (let links = 0; links < SYMLINK_LIMIT;) {
      const part = todo.shift();
      if (part === undefined) {
        break;
      }
      if (part === '..') {
        done.pop();
      } else if (part !== '' && part !== '.') {
        const target = this.#symlinks.get([...done, part].join('/'));
        if (target === undefined) {
          done.push(part);
        } else {
          links++;
          done = target.startsWith('/') ? [] : done;
          todo = [...target.split('/'), ...todo];
        }
      }
    }
    return done.join('/');
  }
}
