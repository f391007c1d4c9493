/** A `fetch` for uploads that reports how many bytes were sent. `fetch` itself cannot report this. */

/**
 * Returns a `fetch` that calls `onSent` with the number of bytes that the browser has passed to the network. Returns
 * undefined where there is no XMLHttpRequest. @internal
 */
export function reportingFetch(onSent: (bytes: number) => void): typeof fetch | undefined {
  if (typeof XMLHttpRequest === "undefined") return undefined;
  return (input, init = {}) =>
    new Promise((resolve, reject) => {
      const { method = "GET", headers, body, signal } = init;
      const request = new XMLHttpRequest();
      const abort = () => request.abort();
      request.open(method, String(input));
      new Headers(headers).forEach((value, name) => request.setRequestHeader(name, value));
      request.responseType = "blob";
      request.upload.onprogress = ({ loaded }) => onSent(loaded);
      request.onload = () => {
        const received = new Headers();
        for (const line of request.getAllResponseHeaders().trim().split(/[\r\n]+/)) {
          const at = line.indexOf(":");
          if (at > 0) received.append(line.slice(0, at), line.slice(at + 1).trim());
        }
        const { status, response } = request;
        resolve(new Response(status === 204 || status === 304 ? null : (response as Blob), { status, headers: received }));
      };
      request.onerror = () => reject(new TypeError("The request failed."));
      request.onabort = () => reject((signal?.reason as unknown) ?? new TypeError("The request was aborted."));
      request.onloadend = () => signal?.removeEventListener("abort", abort);
      if (signal?.aborted) return request.onabort(new ProgressEvent("abort"));
      signal?.addEventListener("abort", abort);
      request.send(body as XMLHttpRequestBodyInit);
    });
}
