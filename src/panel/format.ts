// SPDX-License-Identifier: BSD-3-Clause
/** Names, sizes and times as the panel shows them. Pure; words come from `trans`. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Image } from '../../lib-runtime/api/schema.ts';

/** `12.3 MiB`: the units that the command line uses, too. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = Math.max(0, bytes);
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** What fits into a narrow row: `alpine:3`, `ghcr.io/me/tool:1`, `tool.sif`. The whole name belongs into the title. */
export function shortName(name: string): string {
  if (name.startsWith('/')) {
    return name.replace(/\/+$/, '').split('/').pop() ?? name;
  }
  if (/^[0-9a-f]{32,}$/.test(name)) {
    return name.slice(0, 12);
  }
  const reference = name.replace(/^docker:\/\//, '').replace(/^docker\.io\/(library\/)?/, '');
  // A digest is as long as a row; it has its own place.
  return reference.replace(/@sha256:([0-9a-f]{12})[0-9a-f]*$/, '@$1');
}

/** A short name in two parts: where it is from, which may be cut, and the last part, by which people know it. */
export function nameParts(name: string): { readonly from: string; readonly last: string } {
  const short = shortName(name);
  const at = short.lastIndexOf('/') + 1;
  return { from: short.slice(0, at), last: short.slice(at) };
}

/** The first twelve digits of a digest, as registries and `docker images` show it; undefined without one. */
export function shortDigest(image: Pick<Image, 'manifestDigest' | 'key'>): string | undefined {
  return /(?:^|:|-)([0-9a-f]{12})[0-9a-f]{20,}$/.exec(image.manifestDigest ?? image.key)?.[1];
}

/** `5 minutes ago`; `now` and `then` in milliseconds since 1970. A clock that is behind counts as now. */
export function formatAge(then: number, now: number, trans: TranslationBundle): string {
  const minutes = Math.floor((now - then) / 60_000);
  if (!Number.isFinite(minutes)) {
    return '';
  }
  if (minutes < 1) {
    return trans.__('just now');
  }
  if (minutes < 60) {
    return trans.__('%1 min ago', minutes);
  }
  const hours = Math.floor(minutes / 60);
  if (hours < 24) {
    return trans.__('%1 h ago', hours);
  }
  const days = Math.floor(hours / 24);
  if (days < 60) {
    return trans._n('%1 day ago', '%1 days ago', days);
  }
  const months = Math.floor(days / 30);
  return months < 24
    ? trans._n('%1 month ago', '%1 months ago', months)
    : trans._n('%1 year ago', '%1 years ago', Math.floor(days / 365));
}

/** `0:07`, `12:03`, `3:04:05`, `2 d 03:04:05`. */
export function formatElapsed(milliseconds: number): string {
  const seconds = Number.isFinite(milliseconds) ? Math.max(0, Math.floor(milliseconds / 1000)) : 0;
  const two = (value: number): string => String(value).padStart(2, '0');
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor(seconds / 3600) % 24;
  const minutes = Math.floor(seconds / 60) % 60;
  const tail = `${two(seconds % 60)}`;
  if (days > 0) {
    return `${days} d ${two(hours)}:${two(minutes)}:${tail}`;
  }
  return hours > 0 ? `${hours}:${two(minutes)}:${tail}` : `${minutes}:${tail}`;
}

/** The images whose name, source or digest holds every word of the question, whatever their case. */
export function searchImages(images: readonly Image[], question: string): readonly Image[] {
  const words = question.toLowerCase().split(/\s+/).filter(Boolean);
  return images.filter(image => {
    const text = `${image.name} ${image.source} ${image.manifestDigest ?? ''} ${image.path}`.toLowerCase();
    return words.every(word => text.includes(word));
  });
}
