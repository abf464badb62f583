// SPDX-License-Identifier: BSD-3-Clause
/** gpu: the cards of this machine, their memory, the driver, and who uses them. */
import { findDriver } from '../../host/gpu.ts';
import { gpuUsage } from '../../host/gpu-usage.ts';
import { formatBytes, formatTable, info, print } from '../output.ts';

/** @returns 0 when there is a card, 1 when there is none */
export async function gpuCommand(values: { readonly json?: boolean }): Promise<number> {
  const { gpus, driver } = await gpuUsage(process.env);
  if (values.json) {
    print(JSON.stringify({ gpus, ...(driver !== undefined && { driver }) }, null, 2));
    return gpus.length > 0 ? 0 : 1;
  }
  if (gpus.length === 0) {
    print('There is no NVIDIA GPU here.');
    (await findDriver(process.env)).notes.forEach(note => info(note));
    return 1;
  }
  print(`Driver ${driver ?? 'of unknown version'}`);
  const memory = (bytes: number | undefined): string => (bytes === undefined ? '-' : formatBytes(bytes));
  print(
    formatTable([
      ['GPU', 'NAME', 'MEMORY USED', 'OF', 'BUSY'],
      ...gpus.map(gpu => [
        String(gpu.index),
        gpu.name,
        memory(gpu.memoryUsedBytes),
        memory(gpu.memoryTotalBytes),
        gpu.utilization === undefined ? '-' : `${gpu.utilization} %`
      ])
    ])
  );
  const users = gpus.flatMap(gpu => gpu.processes.map(user => ({ gpu: gpu.index, ...user })));
  if (users.length > 0) {
    const rows = users.map(user => [String(user.gpu), String(user.pid), user.name, memory(user.memoryBytes)]);
    print(`\n${formatTable([['GPU', 'PID', 'PROGRAM', 'MEMORY'], ...rows])}`);
  }
  return 0;
}
