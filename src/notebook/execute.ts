// SPDX-License-Identifier: BSD-3-Clause
/** Executes something else than the text of a cell, as if it were the text. */
import type { ISessionContext } from '@jupyterlab/apputils';
import type { CodeCell } from '@jupyterlab/cells';
import { OutputArea } from '@jupyterlab/outputarea';
import type { KernelMessage } from '@jupyterlab/services';
import type { JSONObject } from '@lumino/coreutils';

export interface IExecuteContext {
  readonly session: ISessionContext;
  /** Ids of cells that were deleted since the last run; the kernel is told once. */
  readonly deletedCells: string[];
  /** Keep the times of the run in the cell's metadata, as the user's setting says. */
  readonly recordTiming: boolean;
}

/**
 * Runs `code` in the notebook's kernel with the cell's outputs, number, times and star, as CodeCell.execute of
 * @jupyterlab/cells does with the cell's own text (which cannot be told to take another one).
 * @returns the kernel's answer; an error in the code is an answer
 * @throws Error when the kernel is restarted or ends meanwhile
 */
export async function executeInstead(
  cell: CodeCell,
  code: string,
  { session, deletedCells, recordTiming }: IExecuteContext
): Promise<KernelMessage.IExecuteReplyMsg | undefined> {
  const { model, outputArea } = cell;
  const deleted = [...deletedCells];
  const metadata: JSONObject = {
    ...(model.metadata as JSONObject),
    deletedCells: deleted,
    recordTiming,
    cellId: model.sharedModel.getId()
  };
  // One change, which undo does not know: outputs are no edit.
  model.sharedModel.transact(
    () => {
      model.clearExecution();
      cell.outputHidden = false;
    },
    false,
    'silent-change'
  );
  showState(cell, 'running');
  model.trusted = true;
  const time = recordTiming ? stopwatch(cell) : undefined;
  const answer = OutputArea.execute(code, outputArea, session, metadata);
  // Set by the line above, before it waits for anything.
  const { future } = outputArea;
  if (time) {
    future.registerMessageHook(message => {
      if (message.header.msg_type === 'status') {
        time(`iopub.status.${(message as KernelMessage.IStatusMsg).content.execution_state}`, message.header.date);
      } else if (message.header.msg_type === 'execute_input') {
        time('iopub.execute_input', message.header.date);
      }
      return true;
    });
  } else {
    model.deleteMetadata('execution');
  }
  try {
    const reply = await answer;
    deletedCells.splice(0, deleted.length);
    if (reply && !cell.isDisposed) {
      model.executionCount = reply.content.execution_count;
      const { started } = reply.metadata;
      if (time && typeof started === 'string') {
        time('shell.execute_reply.started', started);
      }
      time?.('shell.execute_reply', reply.header.date);
    }
    return reply;
  } catch (error) {
    // Unless the cell has been run again meanwhile.
    if (!cell.isDisposed && outputArea.future === future) {
      showState(cell, 'idle');
      time?.('execution_failed');
    }
    throw error;
  }
}

/** The star in the place of the number. JupyterLab 4.2 has no state in the model. */
function showState(cell: CodeCell, state: 'running' | 'idle'): void {
  if ('executionState' in cell.model) {
    cell.model.executionState = state;
  } else {
    (cell as CodeCell).setPrompt(state === 'running' ? '*' : '');
  }
}

/** Writes times (ISO 8601) into the cell's metadata, where JupyterLab's own are; one that is missing is now. */
function stopwatch({ model }: CodeCell): (label: string, date?: string) => void {
  return (label, date) => {
    const known = (model.getMetadata('execution') as JSONObject | undefined) ?? {};
    model.setMetadata('execution', { ...known, [label]: date || new Date().toISOString() });
  };
}
