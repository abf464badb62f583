// SPDX-License-Identifier: BSD-3-Clause
/**
 * The daemon's data, described once. The daemon checks every request with these; clients import the types only, so
 * that zod stays out of the browser's bundle.
 */
import { z } from 'zod';

/** No NUL: it cannot be part of a path, a word or a variable. */
const text = z
  .string()
  .max(64 * 1024)
  .refine(value => !value.includes('\0'), 'holds a NUL character');
const word = text.min(1);
/** What would be read as an option of our own command line is refused where a name is meant. */
const name = word.refine(value => !value.startsWith('-'), 'begins with a dash');

export const runOptionsSchema = z.strictObject({
  /** `SRC[:DST[:ro|rw]]`, as `--bind` takes them. */
  binds: z.array(word).max(256).optional(),
  env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), text).optional(),
  nv: z.boolean().optional(),
  cleanenv: z.boolean().optional(),
  contain: z.boolean().optional(),
  writableTmpfs: z.boolean().optional(),
  /** Who one is inside; without it as on the command line. */
  as: z.enum(['user', 'root', 'fakeroot']).optional(),
  /** Working directory in the container. */
  pwd: word.optional(),
  /** Directory on the host in which the command line is started; default the user's home. */
  directory: z.string().startsWith('/').optional()
});
export type RunOptions = z.infer<typeof runOptionsSchema>;

export const newJobSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('pull'),
    /** `docker://REF`, `oci:DIR[:TAG]` ... */
    source: name,
    /** Directory for the SIF; without it the image goes into the store only. */
    directory: z.string().startsWith('/').optional(),
    force: z.boolean().optional(),
    plainHttp: z.boolean().optional()
  }),
  z.strictObject({
    kind: z.literal('run'),
    image: name,
    /** Empty: the image's own program. */
    command: z.array(text).max(4096),
    options: runOptionsSchema.optional()
  })
]);
export type NewJob = z.infer<typeof newJobSchema>;

export const errorSchema = z.object({
  code: z.string(),
  message: z.string(),
  step: z.string(),
  errno: z.string().optional(),
  reason: z.string().optional(),
  fix: z.string().optional()
});

export const progressSchema = z.strictObject({
  phase: z.enum(['resolve', 'download', 'convert', 'unpack', 'verify', 'done']),
  done: z.number(),
  total: z.number().optional(),
  unit: z.enum(['bytes', 'entries']),
  detail: z.string().optional()
});

export const jobSchema = z.object({
  id: z.string(),
  kind: z.enum(['pull', 'run']),
  /** The image or source, for a list. */
  title: z.string(),
  /** The line that a person would type for the same. */
  commandLine: z.string(),
  state: z.enum(['running', 'done', 'failed', 'cancelled']),
  /** Exit status; absent while it runs. */
  status: z.number().optional(),
  /** ISO 8601. */
  startedAt: z.string(),
  endedAt: z.string().optional(),
  progress: progressSchema.optional()
});
export type Job = z.infer<typeof jobSchema>;

export const jobLogSchema = z.object({
  /** The beginning; when nothing was dropped, all of it is here and in `tail`. */
  head: z.string(),
  tail: z.string(),
  /** Bytes between head and tail that were not kept. */
  droppedBytes: z.number()
});
export type JobLog = z.infer<typeof jobLogSchema>;

export const newShellSchema = z.strictObject({
  image: name,
  /** Empty or absent: the shell that the image names, else bash, else sh. */
  command: z.array(text).max(4096).optional(),
  options: runOptionsSchema.optional(),
  /** What the user calls it; the daemon finds one otherwise. */
  name: word.max(200).optional(),
  cols: z.int().min(1).max(2000).optional(),
  rows: z.int().min(1).max(1000).optional()
});
export type NewShell = z.infer<typeof newShellSchema>;

export const renameSchema = z.strictObject({ name: word.max(200) });

export const shellSchema = z.object({
  id: z.string(),
  name: z.string(),
  image: z.string(),
  commandLine: z.string(),
  /** Ended: its last screen can still be seen, until it is removed. */
  state: z.enum(['running', 'ended']),
  status: z.number().optional(),
  /** ISO 8601. */
  startedAt: z.string(),
  endedAt: z.string().optional(),
  /** Windows that show it now. */
  clients: z.number(),
  /** What programs set with OSC 0 or 2. */
  title: z.string().optional()
});
export type Shell = z.infer<typeof shellSchema>;

export const gpuStatusSchema = z.object({
  /** Empty where there is none: the panel shows nothing then. */
  gpus: z.array(
    z.object({
      index: z.number(),
      name: z.string(),
      uuid: z.string().optional(),
      memoryTotalBytes: z.number(),
      memoryUsedBytes: z.number(),
      /** Percent. */
      utilization: z.number().optional(),
      processes: z.array(z.object({ pid: z.number(), name: z.string(), memoryBytes: z.number().optional() }))
    })
  ),
  driver: z.string().optional()
});
export type GpuStatus = z.infer<typeof gpuStatusSchema>;

export const imageDetailsSchema = z.object({
  name: z.string(),
  path: z.string(),
  manifestDigest: z.string().optional(),
  sizeBytes: z.number().optional(),
  architecture: z.string().optional(),
  labels: z.record(z.string(), z.string()),
  runscript: z.string().optional(),
  helpfile: z.string().optional(),
  deffile: z.string().optional()
});
export type ImageDetails = z.infer<typeof imageDetailsSchema>;

export const imageSchema = z.object({
  name: z.string(),
  key: z.string(),
  manifestDigest: z.string().optional(),
  path: z.string(),
  sizeBytes: z.number(),
  createdAt: z.string(),
  source: z.string(),
  external: z.boolean()
});
export type Image = z.infer<typeof imageSchema>;

export const versionSchema = z.object({
  version: z.string(),
  api: z.number(),
  pid: z.number(),
  startedAt: z.string(),
  /** What keeps the daemon from ending, and a Jupyter server from being culled. */
  busy: z.object({ jobs: z.number(), shells: z.number() })
});
export type Version = z.infer<typeof versionSchema>;

export const eventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('job'), job: jobSchema }),
  z.object({ type: z.literal('job-removed'), id: z.string() }),
  z.object({ type: z.literal('images') }),
  z.object({ type: z.literal('shell'), shell: shellSchema }),
  z.object({ type: z.literal('shell-removed'), id: z.string() })
]);
export type DaemonEvent = z.infer<typeof eventSchema>;
