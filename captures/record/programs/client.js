// GETs a page by https.get. Arguments: URL, PEM bundle of trust anchors, timeout in ms, then NAME=VALUE, where
// the names are options of tls.connect: cert and key (files), minVersion, maxVersion, ciphers, ecdhCurve,
// servername, and ALPNProtocols (with commas between them).
'use strict';
const fs = require('fs');
const https = require('https');

const [url, bundle, timeout, ...settings] = process.argv.slice(2);
const options = { ca: fs.readFileSync(bundle), agent: false, timeout: Number(timeout) };
for (const setting of settings) {
  const [name, value] = setting.split(/=(.*)/s);
  if (name === 'cert' || name === 'key') options[name] = fs.readFileSync(value);
  else if (name === 'ALPNProtocols') options[name] = value.split(',');
  else options[name] = value;
}
const request = https.get(url, options, (response) => {
  let size = 0;
  response.on('data', (chunk) => { size += chunk.length; });
  response.on('end', () => {
    console.log(`status ${response.statusCode}, ${size} bytes`);
    if (response.statusCode >= 400) process.exitCode = 1;
  });
});
request.on('timeout', () => request.destroy(new Error('timeout')));
request.on('error', (error) => {
  console.log(`error: ${error.code || ''} ${error.message}`);
  process.exitCode = 1;
});
