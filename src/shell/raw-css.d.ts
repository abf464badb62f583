// SPDX-License-Identifier: BSD-3-Clause
/** The text of a style sheet (the builder's rule for this ending). */
declare module '*.raw.css' {
  const text: string;
  export default text;
}
