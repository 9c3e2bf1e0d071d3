// GETs a page by fetch, in Deno (rustls) or Bun (BoringSSL). Arguments: URL, PEM bundle of trust anchors, timeout in ms.
const [url, bundle, timeout] = globalThis.Deno ? Deno.args : process.argv.slice(2);
const options = { signal: AbortSignal.timeout(Number(timeout)) };
if (globalThis.Deno) options.client = Deno.createHttpClient({ caCerts: [Deno.readTextFileSync(bundle)] });
else options.tls = { ca: await Bun.file(bundle).text() };
let status = 0;
try {
  const response = await fetch(url, options);
  console.log(`status ${response.status}, ${(await response.arrayBuffer()).byteLength} bytes`);
  status = response.status >= 400 ? 1 : 0;
} catch (error) {
  for (let each = error; each; each = each.cause) console.log(`error: ${each.code || ''} ${each.message}`);
  status = 1;
}
if (globalThis.Deno) Deno.exit(status);
process.exit(status);
