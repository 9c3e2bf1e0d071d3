// GETs a page by https.get. Arguments: URL, PEM bundle of trust anchors, timeout in ms.
'use strict';
const fs = require('fs');
const https = require('https');

const [url, bundle, timeout] = process.argv.slice(2);
const request = https.get(url, { ca: fs.readFileSync(bundle), agent: false, timeout: Number(timeout) }, (response) => {
  let size = 0;
  response.on('data', (chunk) => { size += chunk.length; });
  response.on('end', () => console.log(`status ${response.statusCode}, ${size} bytes`));
});
request.on('timeout', () => request.destroy(new Error('timeout')));
request.on('error', (error) => {
  console.log(`error: ${error.code || ''} ${error.message}`);
  process.exitCode = 1;
});
