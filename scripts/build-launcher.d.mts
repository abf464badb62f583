// SPDX-License-Identifier: BSD-3-Clause
export const ZIG: string;
export function buildLauncher(options?: {
  python?: string | undefined;
  force?: boolean;
  architectures?: readonly ('x86_64' | 'aarch64')[];
}): string[];
export function buildSanitized(force?: boolean): string;
export function buildChecked(force?: boolean): string;
