// SPDX-License-Identifier: BSD-3-Clause
import { LabIcon } from '@jupyterlab/ui-components';
import containerSvg from '../style/icons/container.svg';
import runCellSvg from '../style/icons/run-cell.svg';
import sifSvg from '../style/icons/sif.svg';

/** A box: an image in one file. */
export const sifIcon = new LabIcon({ name: 'nbcontainer:sif', svgstr: sifSvg });

/** A freight container: the extension itself. */
export const containerIcon = new LabIcon({ name: 'nbcontainer:container', svgstr: containerSvg });

/** A container that plays: a cell in it. */
export const runCellIcon = new LabIcon({ name: 'nbcontainer:run-cell', svgstr: runCellSvg });
