import java.io.InputStream;
import java.net.Proxy;
import java.net.URI;
import javax.net.ssl.HttpsURLConnection;

/**
 * GETs a page by HttpsURLConnection.
 *
 * <p>Arguments: URL, PEM bundle of trust anchors, read timeout in ms, then cert=FILE and key=FILE if the client has
 * a certificate. Prints the exception and its causes.
 */
public final class HttpsClient {
    private HttpsClient() {}

    public static void main(String[] arguments) throws Exception {
        HttpsURLConnection connection =
                (HttpsURLConnection) URI.create(arguments[0]).toURL().openConnection(Proxy.NO_PROXY);
        String chain = null;
        String key = null;
        for (int i = 3; i < arguments.length; i++) {
            if (arguments[i].startsWith("cert=")) {
                chain = arguments[i].substring("cert=".length());
            } else if (arguments[i].startsWith("key=")) {
                key = arguments[i].substring("key=".length());
            }
        }
        connection.setSSLSocketFactory(Trust.of(arguments[1], chain, key).getSocketFactory());
        connection.setConnectTimeout(Integer.parseInt(arguments[2]));
        connection.setReadTimeout(Integer.parseInt(arguments[2]));
        connection.setRequestProperty("Connection", "close");
        try (InputStream body = connection.getInputStream()) {
            System.out.println("status " + connection.getResponseCode() + ", " + body.readAllBytes().length + " bytes");
        } catch (Exception failure) {
            for (Throwable each = failure; each != null; each = each.getCause()) {
                System.out.println("error: " + each);
            }
            System.exit(1);
        }
    }
}
