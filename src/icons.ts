// SPDX-License-Identifier: BSD-3-Clause
import { LabIcon } from '@jupyterlab/ui-components';
import sifSvg from '../style/icons/sif.svg';

/** A box: an image in one file. */
export const sifIcon = new LabIcon({ name: 'nbcontainer:sif', svgstr: sifSvg });
