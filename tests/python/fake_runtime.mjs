// SPDX-License-Identifier: BSD-3-Clause
// Stands in for the command line where a test is about the magics only: `exec` runs its words on this machine, with the
// bound cell in the place where the container would have it.
import { spawn } from 'node:child_process';

const words = process.argv.slice(2);
for (const signal of ['SIGINT', 'SIGTERM']) {
  // The program is in the same process group and gets the signal itself; wait for what it makes of it.
  process.on(signal, () => undefined);
}
if (words[0] === 'words') {
  process.stdout.write(`${JSON.stringify(words.slice(1))}\n`);
} else if (words[0] === 'pull') {
  const event = done => `${JSON.stringify({ phase: 'download', done, total: 4e6, unit: 'bytes', detail: 'abc' })}\n`;
  process.stderr.write(`INFO:    pulling\n${event(1e6)}`);
  setTimeout(() => process.stderr.write(`${event(4e6)}{"not": "progress"}\n`), 100);
} else if (words[0] === 'exec') {
  const spec = words[words.lastIndexOf('--bind') + 1] ?? '';
  const [file = '', inside = ''] = spec.split(':');
  const command = words.slice(words.indexOf('IMAGE') + 1).map(word => (inside && word === inside ? file : word));
  const child = spawn(command[0], command.slice(1), { stdio: 'inherit' });
  child.on('error', error => {
    process.stderr.write(`FATAL:   ${error.message}\n`);
    process.exit(255);
  });
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (signal === 'SIGINT' ? 2 : 9)));
} else {
  process.stderr.write(`FATAL:   unknown words ${words.join(' ')}\n`);
  process.exit(255);
}
