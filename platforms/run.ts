// SPDX-License-Identifier: BSD-3-Clause
/**
 * `node platforms/run.ts NAME [option...] [--] COMMAND...`: runs COMMAND as that platform would
 * and becomes it (execve): its status, its signals, its terminal.
 */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { RECIPES, STAND_INS } from './recipes.ts';
import type { StandInName } from './recipes.ts';
import { standInCommand } from './standin.ts';

const USAGE = [
  'Usage: node platforms/run.ts NAME [option...] [--] COMMAND...',
  '',
  ...STAND_INS.map(name => `  ${name.padEnd(18)}${RECIPES[name].summary}`),
  '',
  '  --bind PATH       let the command write this path of the machine (again for more)',
  "  --docker-seccomp  docker's default seccomp profile as well (colab: no pivot_root)",
  '  --fuse            with /dev/fuse and squashfuse, as an administrator may install them',
  '',
  'Example: node platforms/run.ts colab -- node lib-runtime/cli/main.ts exec image.sif true',
  ''
].join('\n');

/** Status of a stand-in's own failure, as docker's. */
const OWN_FAILURE = 125;

function isStandIn(word: string | undefined): word is StandInName {
  return STAND_INS.some(name => name === word);
}

/** Splits the words at the command: everything after the options is the command's own. */
function split(words: readonly string[]): { options: string[]; command: string[] } {
  const options: string[] = [];
  let index = 0;
  while (index < words.length && words[index]?.startsWith('--') && words[index] !== '--') {
    const word = words[index] as string;
    options.push(word);
    index += 1;
    if (word === '--bind') {
      options.push(...words.slice(index, index + 1));
      index += 1;
    }
  }
  return { options, command: words.slice(words[index] === '--' ? index + 1 : index) };
}

async function main(words: readonly string[]): Promise<void> {
  const [name, ...rest] = words;
  const { options, command } = split(rest);
  if (!isStandIn(name) || command.length === 0) {
    process.stderr.write(USAGE);
    process.exit(OWN_FAILURE);
  }
  const { values } = parseArgs({
    args: options,
    options: {
      bind: { type: 'string', multiple: true },
      'docker-seccomp': { type: 'boolean' },
      fuse: { type: 'boolean' }
    }
  });
  const line = await standInCommand(name, command, {
    binds: (values.bind ?? []).map(path => resolve(path)),
    ...(values['docker-seccomp'] === true && { dockerSeccomp: true }),
    ...(values.fuse === true && { fuse: true })
  });
  // execve is marked experimental in Node 24; the warning is not for the user of a stand-in.
  process.removeAllListeners('warning');
  process.execve?.(line.program, [line.program, ...line.arguments], line.environment);
}

await main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(OWN_FAILURE);
});
