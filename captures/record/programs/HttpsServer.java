import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.List;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;

/**
 * Answers GET requests by SSLServerSocket, one connection after the other.
 *
 * <p>Arguments: port, PEM chain, PEM key, the one version of TLS, PEM bundle of the CAs of clients, then NAME=VALUE:
 *
 * <ul>
 *   <li>verify=need: refuse a client without a certificate that leads to one of the CAs; verify=want: ask only.
 *   <li>suites=NAME,...: the cipher suites.
 *   <li>alpn=NAME,...: the application protocols.
 *   <li>sni=HOST: refuse clients that ask for another name.
 * </ul>
 */
public final class HttpsServer {
    private static final byte[] PAGE =
            "HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n".getBytes(StandardCharsets.US_ASCII);

    private HttpsServer() {}

    public static void main(String[] arguments) throws Exception {
        SSLServerSocket listener = (SSLServerSocket)
                Trust.of(arguments[4], arguments[1], arguments[2]).getServerSocketFactory().createServerSocket();
        listener.setEnabledProtocols(new String[] {arguments[3].equals("1.0") ? "TLSv1" : "TLSv" + arguments[3]});
        SSLParameters parameters = listener.getSSLParameters();
        for (int i = 5; i < arguments.length; i++) {
            apply(parameters, arguments[i].split("=", 2));
        }
        listener.setSSLParameters(parameters);
        listener.bind(new InetSocketAddress("::", Integer.parseInt(arguments[0])));
        while (true) {
            try (SSLSocket connection = (SSLSocket) listener.accept()) {
                connection.setSoTimeout(10_000);
                InputStream in = connection.getInputStream();
                OutputStream out = connection.getOutputStream();
                in.read(new byte[4096]);
                out.write(PAGE);
                out.flush();
            } catch (Exception failure) {
                System.out.println("refused: " + failure);
            }
        }
    }

    private static void apply(SSLParameters parameters, String[] setting) {
        switch (setting[0]) {
            case "verify":
                if (setting[1].equals("need")) {
                    parameters.setNeedClientAuth(true);
                } else {
                    parameters.setWantClientAuth(true);
                }
                break;
            case "suites":
                parameters.setCipherSuites(setting[1].split(","));
                break;
            case "alpn":
                parameters.setApplicationProtocols(setting[1].split(","));
                break;
            case "sni":
                parameters.setSNIMatchers(List.of(SNIHostName.createSNIMatcher(setting[1].replace(".", "\\."))));
                break;
            default:
                throw new IllegalArgumentException("unknown option " + setting[0]);
        }
    }
}
