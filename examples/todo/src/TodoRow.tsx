import { todos } from "./client.ts";
import type { Todo } from "./database.ts";

interface Row {
  todo: Todo;
  change: (act: () => Promise<string>) => Promise<boolean>;
  /**
   * The row calls this function when the todo was deleted. The list then moves the focus, because the deleted button
   * had the focus.
   */
  deleted: () => void;
}

export function TodoRow({ todo, change, deleted }: Row) {
  async function tick(done: boolean): Promise<string> {
    await todos.patch(todo._id, { done });
    return `${todo.title} is ${done ? "done" : "open"}.`;
  }

  async function remove(): Promise<string> {
    await todos.delete(todo._id);
    deleted();
    return `${todo.title} is deleted.`;
  }

  return (
    <li>
      <label className={todo.done ? "done" : ""}>
        <input type="checkbox" checked={todo.done} onChange={(event) => void change(() => tick(event.target.checked))} />
        {todo.title}
      </label>
      <button type="button" aria-label={`Delete ${todo.title}`} onClick={() => void change(remove)}>
        Delete
      </button>
    </li>
  );
}
