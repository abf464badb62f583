// SPDX-License-Identifier: BSD-3-Clause
/** The GPUs of the server, as the driver tells. */
import type { ISignal } from '@lumino/signaling';
import * as React from 'react';
import type { GpuStatus } from '../../lib-runtime/api/schema.ts';
import type { IPanelContext } from './context.ts';
import { formatBytes } from './format.ts';
import { Notice } from './parts.tsx';

/** What the section's poll has heard last. */
export interface IGpuSource {
  readonly status: GpuStatus | undefined;
  readonly changed: ISignal<IGpuSource, void>;
}

interface IGpuViewProps {
  readonly context: IPanelContext;
  readonly source: IGpuSource;
}

export function GpuView({ context, source }: IGpuViewProps): React.JSX.Element {
  const { trans } = context;
  const [status, setStatus] = React.useState(source.status);
  React.useEffect(() => {
    const receive = (): void => setStatus(source.status);
    source.changed.connect(receive);
    receive();
    return () => {
      source.changed.disconnect(receive);
    };
  }, [source]);
  if (!status) {
    return <Notice text={trans.__('Loading…')} />;
  }
  return (
    <>
      <ul className="jp-nbcontainer-List" aria-label={trans.__('GPUs')}>
        {status.gpus.map(gpu => (
          <GpuRow key={gpu.uuid ?? gpu.index} context={context} gpu={gpu} />
        ))}
      </ul>
      {status.driver !== undefined && <p className="jp-nbcontainer-Footnote">{trans.__('Driver %1', status.driver)}</p>}
    </>
  );
}

interface IGpuRowProps {
  readonly context: IPanelContext;
  readonly gpu: GpuStatus['gpus'][number];
}

function GpuRow({ context, gpu }: IGpuRowProps): React.JSX.Element {
  const { trans } = context;
  const used = formatBytes(gpu.memoryUsedBytes);
  const total = formatBytes(gpu.memoryTotalBytes);
  const memory = trans.__('%1 of %2', used, total);
  const fraction = gpu.memoryTotalBytes > 0 ? Math.min(1, gpu.memoryUsedBytes / gpu.memoryTotalBytes) : 0;
  return (
    <li className="jp-nbcontainer-Row jp-nbcontainer-GpuRow" title={gpu.uuid}>
      <div className="jp-nbcontainer-RowText">
        <div className="jp-nbcontainer-RowName">
          {gpu.index}: {gpu.name}
        </div>
        <Meter label={trans.__('Memory')} fraction={fraction} text={memory} />
        {gpu.utilization !== undefined && (
          <Meter
            label={trans.__('Load')}
            fraction={Math.min(1, gpu.utilization / 100)}
            text={trans.__('%1 %', gpu.utilization)}
          />
        )}
        {gpu.processes.length > 0 && (
          <ul className="jp-nbcontainer-Processes" aria-label={trans.__('Processes on GPU %1', gpu.index)}>
            {gpu.processes.map(process => (
              <li key={process.pid}>
                <span>{process.pid}</span>
                <span className="jp-nbcontainer-ProcessName" title={process.name}>
                  {process.name.split('/').pop()}
                </span>
                <span>{process.memoryBytes === undefined ? '' : formatBytes(process.memoryBytes)}</span>
              </li>
            ))}
          </ul>
        )}
      </div>
    </li>
  );
}

interface IMeterProps {
  readonly label: string;
  readonly fraction: number;
  readonly text: string;
}

function Meter({ label, fraction, text }: IMeterProps): React.JSX.Element {
  const percent = Math.round(fraction * 100);
  return (
    <div className="jp-nbcontainer-Meter">
      <span>{label}</span>
      <div
        className="jp-nbcontainer-Bar"
        role="meter"
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={percent}
        aria-valuetext={text}
      >
        <div style={{ width: `${percent}%` }} />
      </div>
      <span>{text}</span>
    </div>
  );
}
