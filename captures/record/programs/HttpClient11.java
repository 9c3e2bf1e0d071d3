import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;

/**
 * GETs a page by java.net.http, which is SSLEngine over NIO in the JDK's own hands.
 *
 * <p>Arguments: URL, PEM bundle of trust anchors, timeout in ms. Prints the exception and its causes.
 */
public final class HttpClient11 {
    private HttpClient11() {}

    public static void main(String[] arguments) throws Exception {
        Duration patience = Duration.ofMillis(Long.parseLong(arguments[2]));
        HttpClient client = HttpClient.newBuilder()
                .sslContext(Trust.of(arguments[1], null, null))
                .version(HttpClient.Version.HTTP_1_1)
                .connectTimeout(patience)
                .build();
        HttpRequest request = HttpRequest.newBuilder(URI.create(arguments[0])).timeout(patience).build();
        int status = 0;
        try {
            HttpResponse<byte[]> response = client.send(request, HttpResponse.BodyHandlers.ofByteArray());
            System.out.println("status " + response.statusCode() + ", " + response.body().length + " bytes");
        } catch (Exception failure) {
            status = 1;
            for (Throwable each = failure; each != null; each = each.getCause()) {
                System.out.println("error: " + each);
            }
        }
        System.exit(status);
    }
}
