import { say, useNotice } from "./notice.ts";

export function Notice() {
  const text = useNotice();
  if (!text) return null;
  return (
    <p className="notice" role="alert">
      {text}{" "}
      <button type="button" onClick={() => say("")}>
        Close
      </button>
    </p>
  );
}
