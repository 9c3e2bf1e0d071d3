import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.InputStreamReader;
import java.security.cert.CertificateFactory;
import java.security.cert.PKIXBuilderParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509CertSelector;
import java.security.cert.X509Certificate;
import java.util.Base64;
import java.util.Date;
import java.util.LinkedHashSet;
import java.util.Set;
import javax.net.ssl.CertPathTrustManagerParameters;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSession;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509ExtendedTrustManager;

/**
 * Reads one case a line from standard input: seconds since 1970, host or "-", chain, store; chain and store are
 * Base64 certificates joined by commas. Answers one line each: "ok", or the message of the exception.
 */
public class JsseOracle {
    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] part = line.split(" ");
            System.out.println(answer(Long.parseLong(part[0]), part[1], part[2], part[3]));
            System.out.flush();
        }
    }

    private static String answer(long seconds, String host, String chain, String store) {
        try {
            Set<TrustAnchor> anchors = new LinkedHashSet<>();
            for (X509Certificate certificate : read(store)) {
                anchors.add(new TrustAnchor(certificate, null));
            }
            PKIXBuilderParameters parameters = new PKIXBuilderParameters(anchors, new X509CertSelector());
            parameters.setDate(new Date(seconds * 1000));
            parameters.setRevocationEnabled(false);
            TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
            factory.init(new CertPathTrustManagerParameters(parameters));
            X509ExtendedTrustManager manager = (X509ExtendedTrustManager) factory.getTrustManagers()[0];
            X509Certificate[] certificates = read(chain);
            SSLEngine engine = new OracleEngine(host, certificates);
            String type = certificates[0].getPublicKey().getAlgorithm().equals("RSA") ? "ECDHE_RSA" : "ECDHE_ECDSA";
            manager.checkServerTrusted(certificates, type, engine);
            return "ok";
        } catch (Exception error) {
            return String.valueOf(error.getMessage()).replace('\n', ' ');
        }
    }

    private static X509Certificate[] read(String list) throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        String[] parts = list.split(",");
        X509Certificate[] certificates = new X509Certificate[parts.length];
        for (int i = 0; i < parts.length; i++) {
            byte[] der = Base64.getDecoder().decode(parts[i]);
            certificates[i] = (X509Certificate) factory.generateCertificate(new ByteArrayInputStream(der));
        }
        return certificates;
    }

    /** An engine that is asked for nothing but its parameters and its handshake session's peer host. */
    private static final class OracleEngine extends SSLEngine {
        private final SSLParameters parameters = new SSLParameters();
        private final SSLSession session;

        OracleEngine(String host, X509Certificate[] chain) {
            if (!host.equals("-")) {
                parameters.setEndpointIdentificationAlgorithm("HTTPS");
            }
            session = (SSLSession) java.lang.reflect.Proxy.newProxyInstance(
                OracleEngine.class.getClassLoader(),
                new Class<?>[] {SSLSession.class},
                (proxy, method, arguments) -> switch (method.getName()) {
                    case "getPeerHost" -> host;
                    case "getProtocol" -> "TLSv1.2";
                    case "getPeerCertificates" -> chain;
                    default -> null;
                });
        }

        @Override public SSLSession getHandshakeSession() { return session; }
        @Override public SSLSession getSession() { return session; }
        @Override public SSLParameters getSSLParameters() { return parameters; }
        @Override public javax.net.ssl.SSLEngineResult wrap(java.nio.ByteBuffer[] s, int o, int l, java.nio.ByteBuffer d) { throw new UnsupportedOperationException(); }
        @Override public javax.net.ssl.SSLEngineResult unwrap(java.nio.ByteBuffer s, java.nio.ByteBuffer[] d, int o, int l) { throw new UnsupportedOperationException(); }
        @Override public Runnable getDelegatedTask() { return null; }
        @Override public void closeInbound() { }
        @Override public boolean isInboundDone() { return false; }
        @Override public void closeOutbound() { }
        @Override public boolean isOutboundDone() { return false; }
        @Override public String[] getSupportedCipherSuites() { return new String[0]; }
        @Override public String[] getEnabledCipherSuites() { return new String[0]; }
        @Override public void setEnabledCipherSuites(String[] suites) { }
        @Override public String[] getSupportedProtocols() { return new String[0]; }
        @Override public String[] getEnabledProtocols() { return new String[0]; }
        @Override public void setEnabledProtocols(String[] protocols) { }
        @Override public void beginHandshake() { }
        @Override public javax.net.ssl.SSLEngineResult.HandshakeStatus getHandshakeStatus() { return javax.net.ssl.SSLEngineResult.HandshakeStatus.NOT_HANDSHAKING; }
        @Override public void setUseClientMode(boolean mode) { }
        @Override public boolean getUseClientMode() { return true; }
        @Override public void setNeedClientAuth(boolean need) { }
        @Override public boolean getNeedClientAuth() { return false; }
        @Override public void setWantClientAuth(boolean want) { }
        @Override public boolean getWantClientAuth() { return false; }
        @Override public void setEnableSessionCreation(boolean flag) { }
        @Override public boolean getEnableSessionCreation() { return false; }
    }
}
