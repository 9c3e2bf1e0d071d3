import java.io.InputStream;
import java.net.Proxy;
import java.net.URI;
import java.util.logging.Level;
import java.util.logging.Logger;
import javax.net.ssl.HttpsURLConnection;

/**
 * GETs a page by HttpsURLConnection, with nothing but what the JVM's system properties configure.
 *
 * <p>Argument: URL. Logs by java.util.logging: an exception goes there with its whole stack trace.
 */
public final class ConfiguredClient {
    private static final Logger LOGGER = Logger.getLogger("example.orders.BackendClient");

    private ConfiguredClient() {}

    public static void main(String[] arguments) throws Exception {
        HttpsURLConnection connection =
                (HttpsURLConnection) URI.create(arguments[0]).toURL().openConnection(Proxy.NO_PROXY);
        connection.setConnectTimeout(5000);
        connection.setReadTimeout(5000);
        connection.setRequestProperty("Connection", "close");
        try (InputStream body = connection.getInputStream()) {
            LOGGER.info("GET " + arguments[0] + " gave " + body.readAllBytes().length + " bytes");
        } catch (Exception failure) {
            LOGGER.log(Level.SEVERE, "GET " + arguments[0] + " failed", failure);
            System.exit(1);
        }
    }
}
