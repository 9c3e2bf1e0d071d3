import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.logging.Level;
import java.util.logging.Logger;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.SSLEngineResult.HandshakeStatus;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLParameters;

/**
 * GETs a page by SSLEngine in a selector loop, as gateways' message processors do.
 *
 * <p>Arguments: host, port, PEM bundle of trust anchors, then NAME=VALUE:
 *
 * <ul>
 *   <li>alert=flush: on failure the alert that the engine holds ready is wrapped and sent before the close;
 *       alert=keep: the channel is closed at once and the alert never leaves.
 *   <li>read=all: what has arrived is read in one turn of the loop; read=record: no more than completes the next TLS
 *       record, so what follows the record at which the handshake fails stays unread.
 *   <li>linger=MS: pause between the close and the next turn of the loop.
 *   <li>log=yes: a failure is logged by java.util.logging, with its stack trace.
 * </ul>
 *
 * <p>Closing a non-blocking channel that is registered with a selector makes the JDK shut down its output (the FIN);
 * the descriptor itself is closed in the next turn of the loop, and if server data has not been read by then, the
 * kernel sends a RST.
 */
public final class NioClient {
    private static final Logger LOGGER = Logger.getLogger("example.orders.BackendChannel");
    private final SSLEngine engine;
    private final SocketChannel channel;
    private final Selector selector;
    private final boolean byRecord;
    private final ByteBuffer fromNetwork;
    private final ByteBuffer fromEngine;
    private final ByteBuffer plain;
    private final ByteBuffer request;
    private int received;

    private NioClient(String host, int port, String bundle, boolean byRecord) throws Exception {
        this.byRecord = byRecord;
        engine = Trust.of(bundle).createSSLEngine(host, port);
        engine.setUseClientMode(true);
        SSLParameters parameters = engine.getSSLParameters();
        parameters.setEndpointIdentificationAlgorithm("HTTPS");
        engine.setSSLParameters(parameters);
        fromNetwork = ByteBuffer.allocate(engine.getSession().getPacketBufferSize());
        fromEngine = ByteBuffer.allocate(engine.getSession().getPacketBufferSize());
        plain = ByteBuffer.allocate(engine.getSession().getApplicationBufferSize());
        String text = "GET / HTTP/1.0\r\nHost: " + host + "\r\n\r\n";
        request = ByteBuffer.wrap(text.getBytes(StandardCharsets.US_ASCII));
        channel = SocketChannel.open();
        channel.configureBlocking(false);
        selector = Selector.open();
        channel.connect(new InetSocketAddress(host, port));
        channel.register(selector, SelectionKey.OP_CONNECT);
    }

    public static void main(String[] arguments) throws Exception {
        boolean flush = false;
        boolean byRecord = false;
        boolean log = false;
        long linger = 0;
        for (int i = 3; i < arguments.length; i++) {
            String[] option = arguments[i].split("=", 2);
            switch (option[0]) {
                case "alert" -> flush = option[1].equals("flush");
                case "read" -> byRecord = option[1].equals("record");
                case "log" -> log = option[1].equals("yes");
                case "linger" -> linger = Long.parseLong(option[1]);
                default -> throw new IllegalArgumentException(arguments[i]);
            }
        }
        NioClient client = new NioClient(arguments[0], Integer.parseInt(arguments[1]), arguments[2], byRecord);
        int status = 0;
        try {
            client.talk();
            System.out.println("received " + client.received + " bytes");
        } catch (IOException failure) {
            status = 1;
            if (flush) {
                client.flushAlert();
            }
            client.close(linger);
            if (log) {
                LOGGER.log(Level.SEVERE, "handshake with " + arguments[0] + " failed", failure);
            }
            for (Throwable each = failure; each != null; each = each.getCause()) {
                System.out.println("error: " + each);
            }
        }
        client.close(linger);
        System.exit(status);
    }

    private void talk() throws IOException {
        while (!engine.isInboundDone()) {
            selector.select();
            SelectionKey key = selector.selectedKeys().iterator().next();
            selector.selectedKeys().clear();
            if (key.isConnectable()) {
                channel.finishConnect();
                key.interestOps(SelectionKey.OP_READ);
                engine.beginHandshake();
            } else if (!read()) {
                return;
            }
            advance();
        }
    }

    private void close(long linger) throws Exception {
        channel.close();
        if (linger > 0) {
            Thread.sleep(linger);
        }
        selector.selectNow();
    }

    private boolean read() throws IOException {
        if (byRecord) {
            int held = fromNetwork.position();
            fromNetwork.limit(held < 5 ? 5 : 5 + Short.toUnsignedInt(fromNetwork.getShort(3)));
        }
        int count = channel.read(fromNetwork);
        fromNetwork.limit(fromNetwork.capacity());
        if (count < 0) {
            engine.closeInbound();
        }
        return count >= 0;
    }

    private void advance() throws IOException {
        while (true) {
            HandshakeStatus status = engine.getHandshakeStatus();
            if (status == HandshakeStatus.NEED_TASK) {
                for (Runnable task = engine.getDelegatedTask(); task != null; task = engine.getDelegatedTask()) {
                    task.run();
                }
            } else if (status == HandshakeStatus.NEED_WRAP || status == HandshakeStatus.NOT_HANDSHAKING && request.hasRemaining()) {
                send(request);
            } else {
                fromNetwork.flip();
                SSLEngineResult result = engine.unwrap(fromNetwork, plain);
                fromNetwork.compact();
                received += plain.position();
                plain.clear();
                if (result.getStatus() != SSLEngineResult.Status.OK) {
                    return;
                }
            }
        }
    }

    private void send(ByteBuffer data) throws IOException {
        engine.wrap(data, fromEngine);
        fromEngine.flip();
        while (fromEngine.hasRemaining()) {
            channel.write(fromEngine);
        }
        fromEngine.clear();
    }

    private void flushAlert() throws IOException {
        while (!engine.isOutboundDone()) {
            try {
                send(ByteBuffer.allocate(0));
            } catch (SSLException repeated) {
                // The engine reports the failure once more before it hands out the alert.
                continue;
            }
        }
    }
}
