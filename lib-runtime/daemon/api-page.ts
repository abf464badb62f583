// SPDX-License-Identifier: BSD-3-Clause
/** docs/api.md, made from the route table and the schemas: `node scripts/api-docs.mjs` writes it, a test compares it. */
import { z } from 'zod';
import {
  API_HEADER,
  API_VERSION,
  EVENTS_PATH,
  NO_SUCH_SHELL,
  ROUTES,
  type RouteName,
  shellSocketPath
} from '../api/routes.ts';
import * as schemas from '../api/schema.ts';

interface IAddress {
  readonly about: string;
  readonly request?: string;
  readonly response: string;
}

/** What each address does; the names are those of the types below. */
const ADDRESSES: Readonly<Record<RouteName, IAddress>> = {
  version: { about: 'Who answers, and what keeps it busy', response: 'Version' },
  images: { about: "The store's images", response: '{ images: Image[] }' },
  removeImage: { about: 'Removes an image; `:id` is its key or name', response: '{ freedBytes: number }' },
  jobs: { about: 'Jobs that run, and the last ones that ended', response: '{ jobs: Job[] }' },
  startJob: { about: 'Starts a pull or a run', request: 'NewJob', response: 'Job' },
  job: { about: 'One job', response: 'Job' },
  jobLog: { about: 'What a job has printed', response: 'JobLog' },
  removeJob: { about: 'Cancels a job that runs, and waits; forgets one that has ended', response: 'Job' },
  inspect: {
    about: 'What an image says of itself; `:id` is a key, a name, a path or a reference that was pulled. No download',
    response: 'ImageDetails'
  },
  gpus: { about: 'GPUs and what uses them; none where there are none', response: 'GpuStatus' },
  shells: { about: 'Shells that run, and the last ones that ended', response: '{ shells: Shell[] }' },
  startShell: { about: 'Starts a shell', request: 'NewShell', response: 'Shell' },
  renameShell: { about: 'Names a shell', request: 'Rename', response: 'Shell' },
  removeShell: { about: 'Ends a shell that runs, and waits; forgets one that has ended', response: 'Shell' }
};

const TYPES: Readonly<Record<string, z.ZodType>> = {
  Version: schemas.versionSchema,
  Image: schemas.imageSchema,
  ImageDetails: schemas.imageDetailsSchema,
  RunOptions: schemas.runOptionsSchema,
  NewJob: schemas.newJobSchema,
  Progress: schemas.progressSchema,
  Job: schemas.jobSchema,
  JobLog: schemas.jobLogSchema,
  NewShell: schemas.newShellSchema,
  Rename: schemas.renameSchema,
  Shell: schemas.shellSchema,
  GpuStatus: schemas.gpuStatusSchema,
  Event: schemas.eventSchema,
  Error: schemas.errorSchema
};

/** The page. Pure. */
export function apiPage(): string {
  const addresses = Object.entries(ROUTES).map(([name, { method, path }]) => {
    const { about, request, response } = ADDRESSES[name as RouteName];
    const cells = [`\`${method} ${path}\``, about, request === undefined ? '' : `\`${request}\``, `\`${response}\``];
    return `| ${cells.join(' | ')} |`;
  });
  const types = Object.entries(TYPES).map(([name, schema]) =>
    `type ${name} = ${shape(jsonOf(schema), name, '')};`.replace(/ +$/gm, '')
  );
  return `<!-- Made by scripts/api-docs.mjs from lib-runtime/api and lib-runtime/daemon/api-page.ts. -->

# The daemon's API

Version ${API_VERSION}. The daemon answers on \`daemon.sock\` in the runtime directory (\`nbcontainer daemon status\` shows it); a Jupyter server offers the same below \`<base_url>/nbcontainer/api/daemon\`, to those who may use it. A client that sends the header \`${API_HEADER}\` with another version is refused with 409, except for \`${ROUTES.version.path}\`. TypeScript: \`lib-runtime/api/client.ts\`.

Bodies are JSON. A request is checked: what is unknown or malformed is refused. A refusal has a status of 4xx or 5xx and the body \`{ error: Error }\`.

| address | what | request | answer |
| --- | --- | --- | --- |
${addresses.join('\n')}

WebSockets:

- \`${EVENTS_PATH}\`: one \`Event\` a text message, first the jobs and shells as they are. An empty message is answered by an empty one.
- \`${decodeURIComponent(shellSocketPath(':id'))}\`: a shell's terminal, see [shell-protocol.md](shell-protocol.md). Closed with ${NO_SUCH_SHELL} when there is no such shell.

## Types

Lengths and characters are limited more than the types say (\`lib-runtime/api/schema.ts\`); numbers of bytes and percent are plain numbers, times are ISO 8601.

\`\`\`ts
${types.join('\n\n')}
\`\`\`
`;
}

type Json = z.core.JSONSchema.BaseSchema;

const jsonOf = (schema: z.ZodType): Json => z.toJSONSchema(schema, { unrepresentable: 'any', io: 'input' });

/** Those that have a name are told by it, except in their own definition. */
const KNOWN = new Map(Object.entries(TYPES).map(([name, schema]) => [textOf(jsonOf(schema)), name]));

/** Without the mark that only an outermost schema has. */
function textOf(schema: Json): string {
  return JSON.stringify({ ...schema, $schema: undefined });
}

function shape(schema: Json | boolean, owner: string, indent: string): string {
  if (typeof schema === 'boolean') {
    return 'unknown';
  }
  const known = KNOWN.get(textOf(schema));
  if (known !== undefined && known !== owner) {
    return known;
  }
  const inner = (each: Json | boolean): string => shape(each, '', indent);
  const union = schema.anyOf ?? schema.oneOf;
  if (union) {
    return union.map(each => `\n${indent}  | ${shape(each, '', `${indent}    `)}`).join('');
  }
  if (schema.const !== undefined) {
    return literal(schema.const);
  }
  if (schema.enum) {
    return schema.enum.map(literal).join(' | ');
  }
  if (schema.type === 'array') {
    const item = inner(schema.items as Json);
    return item.includes(' ') && !item.startsWith('{') ? `(${item})[]` : `${item}[]`;
  }
  if (schema.type === 'object' && schema.properties) {
    const required = new Set(schema.required ?? []);
    const fields = Object.entries(schema.properties).map(
      ([name, each]) => `${indent}  ${name}${required.has(name) ? '' : '?'}: ${shape(each, '', `${indent}  `)};\n`
    );
    return `{\n${fields.join('')}${indent}}`;
  }
  if (schema.type === 'object') {
    return `Record<string, ${inner(schema.additionalProperties ?? true)}>`;
  }
  return schema.type === 'integer' ? 'number' : String(schema.type ?? 'unknown');
}

function literal(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : String(value);
}
