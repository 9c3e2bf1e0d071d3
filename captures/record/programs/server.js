// Answers GET requests by https.createServer.
//
// Arguments: port, PEM chain, PEM key, the one version of TLS, then NAME=VALUE:
//   verify=require  refuse a client without a certificate that leads to one of ca, in the handshake
//   verify=later    finish the handshake whatever the client shows, and let it be known by the answer 403
//   ca=FILE         PEM bundle of the CAs of clients
//   ciphers=LIST    as OpenSSL writes it
//   curves=LIST     the groups, with colons between them
//   alpn=LIST       the application protocols, with commas between them
//   sni=HOST        refuse clients that ask for another name
'use strict';
const fs = require('fs');
const https = require('https');

const [port, chain, key, version, ...settings] = process.argv.slice(2);
const options = {
  cert: fs.readFileSync(chain),
  key: fs.readFileSync(key),
  minVersion: `TLSv${version}`,
  maxVersion: `TLSv${version}`,
};
for (const setting of settings) {
  const [name, value] = setting.split(/=(.*)/s);
  switch (name) {
    case 'verify':
      options.requestCert = true;
      options.rejectUnauthorized = value === 'require';
      break;
    case 'ca':
      options.ca = fs.readFileSync(value);
      break;
    case 'ciphers':
      options.ciphers = value;
      break;
    case 'curves':
      options.ecdhCurve = value;
      break;
    case 'alpn':
      options.ALPNProtocols = value.split(',');
      break;
    case 'sni':
      options.SNICallback = (host, done) => done(host === value ? null : new Error(`no such host: ${host}`));
      break;
    default:
      throw new Error(`unknown option ${name}`);
  }
}
const server = https.createServer(options, (request, response) => {
  response.statusCode = options.requestCert && !request.socket.authorized ? 403 : 200;
  response.setHeader('Connection', 'close');
  response.end('hello\n');
});
server.on('tlsClientError', (error) => console.log(`refused: ${error.code} ${error.message}`));
server.listen(Number(port), '::');
