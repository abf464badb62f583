// SPDX-License-Identifier: BSD-3-Clause
/**
 * Makes steps of an image and a list of mounts. The root under construction is a tmpfs: each top-level entry of the
 * image is bound into it. Where a mount point does not exist in the image, the deepest directory that does becomes a
 * directory of a tmpfs with each of its entries bound singly, so that the mount point can be made (Apptainer's
 * underlay). With an overlay the merged root can be written to and a mkdir does.
 */
import type { BindFlag, IPlannedStep, Step } from '../engines/steps.ts';
import type { IHostFacts, INode, Listings } from '../host/facts.ts';
import { findInImage, isWithin, join, normalise, parentOf } from './image-tree.ts';
import type { Mount } from './mounts.ts';
import type { INote, IRefusal } from './plan-types.ts';

/** Holds generated files until they are bound over the image's; stays empty of anything secret. */
export const GENERATED = '/.nbcontainer';

/** A procfs of the container's own pid namespace, in the place of the host's. */
export interface IFreshProc {
  readonly kind: 'procfs';
  readonly target: string;
  readonly purpose: 'proc';
  readonly reason: string;
}

type Placeable = Mount | IFreshProc;

export interface IUnderlayRequest {
  readonly tree: Listings;
  /** Host path below which the image's files are. */
  readonly rootfs: string;
  /** Host path of the directory for the `stage` step. */
  readonly stage: string;
  readonly mounts: readonly Placeable[];
  readonly hostPaths: IHostFacts['paths'];
  /** The root is an overlay already: everything can be made in place. */
  readonly overlay: boolean;
  /** The mount points are made in a directory of their own, which becomes a layer below the image. */
  readonly apart?: boolean;
  /** Top-level entries that nobody will look at (in-place: the host's stay); not made unless something lies below. */
  readonly omitted?: ReadonlySet<string>;
}

export interface IUnderlay {
  readonly kind: 'underlay';
  readonly steps: readonly IPlannedStep[];
  /** Mount points and generated files: made before `steps`, in the root or in a layer of it. */
  readonly points: readonly IPlannedStep[];
  /** Entries of the finished root, generated ones included. */
  readonly entries: readonly INode[];
  readonly notes: readonly INote[];
}

const IMAGE_FLAGS: readonly BindFlag[] = ['ro', 'nosuid', 'nodev'];

/** Pure. Refuses when a mount that is not optional has no place. */
export function underlaySteps(request: IUnderlayRequest): IUnderlay | IRefusal {
  const builder = new Builder(request);
  for (const mount of request.mounts) {
    const problem = builder.add(mount);
    if (problem !== undefined) {
      if (mount.kind === 'bind' && mount.optional) {
        builder.notes.push({ level: 'info', text: `${mount.source} is not mounted (${mount.reason}): ${problem}` });
        continue;
      }
      return {
        kind: 'refusal',
        code: 'refused',
        message: `${mount.target} cannot be mounted (${mount.reason})`,
        reason: problem,
        fix: 'Choose another path inside the container'
      };
    }
  }
  return builder.finish();
}

/** A mount whose target is settled. */
interface IPlaced {
  readonly path: string;
  readonly mount: Placeable;
  /** Directories and the file to be made inside a tmpfs mount just before. */
  readonly make: readonly IPlannedStep[];
}

class Builder {
  readonly notes: INote[] = [];
  private readonly request: IUnderlayRequest;
  /** Real paths of image directories that become directories of a tmpfs. */
  private readonly open = new Set<string>(['/']);
  /** Entries that the image has not got, by path. */
  private readonly made = new Map<string, { type: 'directory' | 'file'; reason: string }>();
  /** Image entries that are not bound because something else takes their place. */
  private readonly replaced = new Set<string>();
  private readonly placed: IPlaced[] = [];
  private readonly generated: { path: string; content: string; mode: number }[] = [];

  constructor(request: IUnderlayRequest) {
    this.request = request;
  }

  /** Settles one mount; a sentence when it has no place. */
  add(mount: Placeable): string | undefined {
    const wanted = typeWanted(mount);
    const target = this.realTarget(mount.target);
    const outer = this.holders(target);
    const inside = outer.at(-1);
    if (inside !== undefined) {
      return this.addInside(mount, target, inside, wanted);
    }
    const found = findInImage(this.request.tree, mount.target, !(mount.kind === 'bind' && mount.replace));
    switch (found.kind) {
      case 'blocked':
        return `${found.at} of the image is no directory`;
      case 'unknown':
        this.place(mount, this.inMade(mount, found.path, wanted));
        return undefined;
      case 'missing': {
        const path = join(found.parent, ...found.rest);
        this.place(mount, this.inMade(mount, path, wanted, found.parent));
        return undefined;
      }
      case 'found':
        if (found.path === '/') {
          return 'the path is / inside the image';
        }
        if (mount.kind === 'bind' && mount.replace && found.type === 'other') {
          if (this.request.overlay) {
            return 'the image has a symlink there';
          }
          this.openDirectory(parentOf(found.path));
          this.replaced.add(found.path);
          this.made.set(found.path, { type: 'file', reason: mount.reason });
        } else if ((found.type === 'directory') !== (wanted === 'directory')) {
          return found.type === 'directory'
            ? `${found.path} of the image is a directory, ${sourceOf(mount)} is not`
            : `${found.path} of the image is no directory, ${sourceOf(mount)} is one`;
        }
        this.place(mount, found.path);
        return undefined;
    }
  }

  /** Earlier mounts at or above a path. */
  private holders(path: string): IPlaced[] {
    return this.placed.filter(
      ({ path: outer, mount: { kind } }) => (kind === 'bind' || kind === 'tmpfs') && isWithin(path, outer)
    );
  }

  /** The real path of a target: links of the image count down to the first directory that a mount has covered. */
  private realTarget(target: string): string {
    if (target === '/') {
      return '/';
    }
    const parent = this.realTarget(parentOf(target));
    if (this.holders(parent).length > 0) {
      return join(parent, target.slice(target.lastIndexOf('/') + 1));
    }
    const found = findInImage(this.request.tree, target);
    return found.kind === 'found' || found.kind === 'unknown'
      ? found.path
      : found.kind === 'missing'
        ? join(found.parent, ...found.rest)
        : target;
  }

  /** A target below (or at) an earlier mount: the image has no say any more. */
  private addInside(
    mount: Placeable,
    path: string,
    outer: IPlaced,
    wanted: 'directory' | 'file' | 'symlink' | 'none'
  ): string | undefined {
    const rest = path.slice(outer.path.length);
    const outside = outer.mount;
    if (rest === '' || wanted === 'none') {
      const fits = outside.kind !== 'bind' || outside.type === wanted || wanted === 'none';
      if (!fits) {
        return `${path} is a ${outside.type} already (${outside.reason})`;
      }
      this.place(mount, path);
      return undefined;
    }
    if (outside.kind === 'bind') {
      const below = normalise(outside.source + rest);
      if (this.request.hostPaths[below] === null) {
        return `${path} lies in ${outside.source} of the host (${outside.reason}), which has no ${below}`;
      }
      this.place(mount, path);
      return undefined;
    }
    const make: IPlannedStep[] = [];
    const reason = `a mount point: ${mount.reason}`;
    const parts = rest.slice(1).split('/');
    parts.forEach((_, index) => {
      const part = join(outer.path, ...parts.slice(0, index + 1));
      const last = index === parts.length - 1;
      if (this.madeInside.has(part) || (last && wanted === 'symlink')) {
        return;
      }
      this.madeInside.add(part);
      make.push({
        step: last && wanted === 'file' ? emptyFile(part) : { op: 'mkdir', path: part, mode: 0o755 },
        reason
      });
    });
    this.placed.push({ path, mount, make });
    return undefined;
  }

  private readonly madeInside = new Set<string>();

  /** Records that `path`, below the existing `parent`, has to be made; returns it. */
  private inMade(
    mount: Placeable,
    path: string,
    wanted: 'directory' | 'file' | 'symlink' | 'none',
    parent?: string
  ): string {
    if (parent === undefined) {
      return path;
    }
    this.openDirectory(parent);
    const parts = path.slice(parent === '/' ? 1 : parent.length + 1).split('/');
    parts.forEach((_, index) => {
      const part = join(parent, ...parts.slice(0, index + 1));
      if (!this.made.has(part)) {
        const type = index === parts.length - 1 && wanted === 'file' ? 'file' : 'directory';
        this.made.set(part, { type, reason: `a mount point: ${mount.reason}` });
      }
    });
    return path;
  }

  private openDirectory(path: string): void {
    this.open.add(path);
  }

  private place(mount: Placeable, path: string): void {
    if (mount.kind === 'content') {
      const file = `${GENERATED}/${path.slice(1).replace(/\//g, '-')}`;
      this.generated.push({ path: file, content: mount.content, mode: mount.mode });
      this.made.set(GENERATED, { type: 'directory', reason: 'generated files' });
    }
    this.placed.push({ path, mount, make: [] });
  }

  finish(): IUnderlay {
    const points: IPlannedStep[] = [];
    const steps: IPlannedStep[] = [];
    if (this.request.overlay) {
      for (const [path, { type, reason }] of [...this.made].sort(byPath)) {
        if (this.request.apart && type === 'file') {
          points.push({ step: { op: 'mkdir', path: parentOf(path), mode: 0o755 }, reason });
        }
        points.push({ step: type === 'file' ? emptyFile(path) : { op: 'mkdir', path, mode: 0o755 }, reason });
      }
    } else {
      this.skeleton(points);
    }
    for (const { path, content, mode } of this.generated) {
      points.push({ step: { op: 'file', path, mode, content }, reason: 'a generated file' });
    }
    for (const { path, mount, make } of this.placed) {
      steps.push(...make, { step: this.mountStep(path, mount), reason: mount.reason });
    }
    if (!this.request.overlay) {
      steps.push({
        step: { op: 'remount', target: '/', flags: ['ro', 'nosuid', 'nodev'] },
        reason: 'the root is read-only, as the image is'
      });
    }
    return { kind: 'underlay', points, steps, entries: this.topLevel(), notes: this.notes };
  }

  /** The tmpfs directories and the binds of image entries into them, parents first. */
  private skeleton(steps: IPlannedStep[]): void {
    const nested: string[] = [];
    for (const directory of [...this.open].sort()) {
      if (directory !== '/' && !this.inTmpfs(parentOf(directory))) {
        nested.push(directory);
      }
    }
    this.fill('/', steps);
    for (const directory of nested) {
      const reason = `${directory} of the image gets entries that it has not got`;
      steps.push({
        step: { op: 'tmpfs', target: directory, options: 'mode=0755', flags: ['nosuid', 'nodev'] },
        reason
      });
      this.fill(directory, steps);
      steps.push({
        step: { op: 'remount', target: directory, flags: ['ro', 'nosuid', 'nodev'] },
        reason: `${reason}: done`
      });
    }
  }

  /** The directory's contents live in a tmpfs: it is opened, or made. */
  private inTmpfs(directory: string): boolean {
    return this.open.has(directory) || this.made.has(directory);
  }

  private fill(directory: string, steps: IPlannedStep[]): void {
    const reason =
      directory === '/' ? "an entry of the image's root" : `an entry of the image's ${directory}, which gets new ones`;
    for (const node of this.request.tree[directory] ?? []) {
      const path = join(directory, node.name);
      if (this.replaced.has(path) || (directory === '/' && this.isOmitted(node.name))) {
        continue;
      }
      if (node.type === 'symlink') {
        steps.push({ step: { op: 'symlink', path, target: node.target ?? '' }, reason });
      } else if (node.type === 'directory') {
        steps.push({ step: { op: 'mkdir', path, mode: node.mode & 0o7777 }, reason });
        if (this.open.has(path)) {
          this.fill(path, steps);
        } else if (!this.isCovered(path)) {
          steps.push({ step: this.imageBind(path), reason });
        }
      } else {
        steps.push({ step: emptyFile(path), reason });
        steps.push({ step: { ...this.imageBind(path), ...(node.type === 'other' && { optional: true }) }, reason });
      }
    }
    for (const [path, { type, reason: why }] of [...this.made].sort(byPath)) {
      if (parentOf(path) !== directory) {
        continue;
      }
      steps.push({ step: type === 'file' ? emptyFile(path) : { op: 'mkdir', path, mode: 0o755 }, reason: why });
      if (type === 'directory') {
        this.fill(path, steps);
      }
    }
  }

  /**
   * Something is certain to be mounted right over it: the image's own directory would not be seen. What is mounted in
   * it before that (/var/tmp, then a bind over /var) needs it all the same.
   */
  private isCovered(path: string): boolean {
    const first = this.placed.find(({ path: target }) => isWithin(target, path));
    return (
      first?.path === path &&
      this.placed.some(
        ({ path: target, mount }) =>
          target === path &&
          (mount.kind === 'tmpfs' || mount.kind === 'procfs' || (mount.kind === 'bind' && !mount.optional))
      )
    );
  }

  private isOmitted(name: string): boolean {
    return this.request.omitted?.has(name) === true && !this.placed.some(({ path }) => isWithin(path, `/${name}`));
  }

  private imageBind(path: string): Extract<Step, { op: 'bind' }> {
    return { op: 'bind', source: join(this.request.rootfs, path.slice(1)), target: path, flags: IMAGE_FLAGS };
  }

  private mountStep(path: string, mount: Placeable): Step {
    switch (mount.kind) {
      case 'bind': {
        const { source, flags, optional } = mount;
        return { op: 'bind', source, target: path, flags, ...(optional && { optional }) };
      }
      case 'tmpfs':
        return { op: 'tmpfs', target: path, options: mount.options, flags: mount.flags };
      case 'procfs':
        return { op: 'procfs', target: path };
      case 'content': {
        const name = path.slice(1).replace(/\//g, '-');
        const source = `${this.request.stage}/root${GENERATED}/${name}`;
        return { op: 'bind', source, target: path, flags: ['ro', 'nosuid', 'nodev'] };
      }
      case 'symlink':
        return { op: 'symlink', path, target: mount.text };
      case 'seal':
        return { op: 'remount', target: path, flags: ['ro', 'nosuid', 'nodev'] };
    }
  }

  private topLevel(): INode[] {
    const image = this.request.tree['/'] ?? [];
    const names = new Set(image.map(({ name }) => name));
    const made = [...this.made].filter(([path]) => parentOf(path) === '/' && !names.has(path.slice(1)));
    return [...image, ...made.map(([path, { type }]): INode => ({ name: path.slice(1), type, mode: 0o755 }))];
  }
}

function typeWanted(mount: Placeable): 'directory' | 'file' | 'symlink' | 'none' {
  switch (mount.kind) {
    case 'bind':
      return mount.type;
    case 'tmpfs':
    case 'procfs':
      return 'directory';
    case 'content':
      return 'file';
    case 'symlink':
      return 'symlink';
    case 'seal':
      return 'none';
  }
}

function sourceOf(mount: Placeable): string {
  return mount.kind === 'bind' ? mount.source : `what is mounted there`;
}

function emptyFile(path: string): Step {
  return { op: 'file', path, mode: 0o644, content: '' };
}

function byPath(left: readonly [string, unknown], right: readonly [string, unknown]): number {
  return left[0] < right[0] ? -1 : 1;
}
