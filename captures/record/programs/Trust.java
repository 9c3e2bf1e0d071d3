import java.io.File;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.Collection;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** An SSLContext that trusts exactly the certificates of a PEM bundle, or of a keystore as keytool makes it. */
final class Trust {
    private static final char[] NO_PASSWORD = {};
    private static final char[] STORE_PASSWORD = "changeit".toCharArray();

    private Trust() {}

    static SSLContext of(String bundle) throws Exception {
        return of(bundle, null, null);
    }

    /** With a chain and a key of its own, as PEM files; the key is PKCS#8 of the certificate's kind. */
    static SSLContext of(String bundle, String chain, String key) throws Exception {
        KeyStore store = bundle.endsWith(".pem") ? anchors(bundle) : KeyStore.getInstance(new File(bundle), STORE_PASSWORD);
        TrustManagerFactory managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        managers.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(chain == null ? null : identity(chain, key), managers.getTrustManagers(), null);
        return context;
    }

    private static KeyStore anchors(String bundle) throws Exception {
        KeyStore store = empty();
        for (Certificate each : certificates(bundle)) {
            store.setCertificateEntry("anchor-" + store.size(), each);
        }
        return store;
    }

    private static KeyManager[] identity(String chain, String key) throws Exception {
        Certificate[] certificates = certificates(chain).toArray(new Certificate[0]);
        String pem = Files.readString(Path.of(key), StandardCharsets.US_ASCII);
        byte[] encoded = Base64.getMimeDecoder().decode(pem.replaceAll("-----[^-]+-----", ""));
        String kind = certificates[0].getPublicKey().getAlgorithm();
        PrivateKey secret = KeyFactory.getInstance(kind).generatePrivate(new PKCS8EncodedKeySpec(encoded));
        KeyStore store = empty();
        store.setKeyEntry("own", secret, NO_PASSWORD, certificates);
        KeyManagerFactory managers = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        managers.init(store, NO_PASSWORD);
        return managers.getKeyManagers();
    }

    private static KeyStore empty() throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        return store;
    }

    private static Collection<? extends Certificate> certificates(String bundle) throws Exception {
        try (InputStream pem = Files.newInputStream(Path.of(bundle))) {
            return CertificateFactory.getInstance("X.509").generateCertificates(pem);
        }
    }
}
