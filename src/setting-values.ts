// SPDX-License-Identifier: BSD-3-Clause
/** The values of the settings, with their defaults: the same as in schema/settings.json, which a test compares. */

/** `auto`: WebGL where the browser has it. */
export type RendererChoice = 'auto' | 'webgl' | 'dom';

export interface ISettingValues {
  /** GPUs in containers by default; `auto` is on where the machine has one. */
  readonly gpu: 'auto' | 'on' | 'off';
  /** Who one is inside by default; `auto` leaves it to nbcontainer. */
  readonly identity: 'auto' | 'user' | 'root' | 'fakeroot';
  /** `SRC[:DST[:ro|rw]]`, for every run and shell that does not say otherwise. */
  readonly binds: readonly string[];
  /** Absolute directory on the server for the SIF of a pull; undefined: into the store only. */
  readonly pullDirectory: string | undefined;
  /** Ask before an image is removed. */
  readonly confirmRemoval: boolean;
  /** Seconds between two looks at the GPUs, while they are shown. */
  readonly gpuPollSeconds: number;
  /** Lines that a shell's tab keeps above its screen. */
  readonly shellScrollback: number;
  /** CSS pixels. */
  readonly shellFontSize: number;
  /** CSS font family; undefined: the font of the theme's code. */
  readonly shellFontFamily: string | undefined;
  readonly shellRenderer: RendererChoice;
  /** Whether a shell's tab also keeps its lines where a screen reader finds them. */
  readonly shellScreenReader: boolean;
  /** Ask before a shell that runs is stopped. */
  readonly confirmStopShell: boolean;
}

export const DEFAULT_SETTINGS: ISettingValues = {
  gpu: 'auto',
  identity: 'auto',
  binds: [],
  pullDirectory: undefined,
  confirmRemoval: true,
  gpuPollSeconds: 2,
  shellScrollback: 5000,
  shellFontSize: 13,
  shellFontFamily: undefined,
  shellRenderer: 'auto',
  shellScreenReader: false,
  confirmStopShell: true
};

/** What a user's settings say, with the default in the place of what is missing or makes no sense. Pure. */
export function readSettings(given: Readonly<Record<string, unknown>>): ISettingValues {
  const base = DEFAULT_SETTINGS;
  return {
    gpu: choice(given['gpu'], ['auto', 'on', 'off'], base.gpu),
    identity: choice(given['identity'], ['auto', 'user', 'root', 'fakeroot'], base.identity),
    binds: texts(given['binds']),
    pullDirectory: absolute(given['pullDirectory']),
    confirmRemoval: flag(given['confirmRemoval'], base.confirmRemoval),
    gpuPollSeconds: within(given['gpuPollSeconds'], 1, 3600, base.gpuPollSeconds),
    shellScrollback: Math.round(within(given['shellScrollback'], 0, 100_000, base.shellScrollback)),
    shellFontSize: within(given['shellFontSize'], 6, 72, base.shellFontSize),
    shellFontFamily: text(given['shellFontFamily']),
    shellRenderer: choice(given['shellRenderer'], ['auto', 'webgl', 'dom'], base.shellRenderer),
    shellScreenReader: flag(given['shellScreenReader'], base.shellScreenReader),
    confirmStopShell: flag(given['confirmStopShell'], base.confirmStopShell)
  };
}

function flag(value: unknown, fallback: boolean): boolean {
  return typeof value === 'boolean' ? value : fallback;
}

function choice<T extends string>(value: unknown, known: readonly T[], fallback: T): T {
  return known.find(one => one === value) ?? fallback;
}

function texts(value: unknown): readonly string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [];
  return list.map(text).filter(one => one !== undefined);
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined;
}

function absolute(value: unknown): string | undefined {
  const path = text(value);
  return path?.startsWith('/') ? path : undefined;
}

function within(value: unknown, least: number, most: number, fallback: number): number {
  return typeof value === 'number' && Number.isFinite(value) ? Math.min(most, Math.max(least, value)) : fallback;
}
