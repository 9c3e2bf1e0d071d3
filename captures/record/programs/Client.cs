// GETs a page by SslStream, under .NET or Mono.
//
// Arguments: host, port, timeout in ms. Both take their trust anchors from the user's stores.
using System;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;

public static class Client {
    public static int Main(string[] arguments) {
        int timeout = int.Parse(arguments[2]);
        try {
            using (var plain = new TcpClient(arguments[0], int.Parse(arguments[1])))
            using (var secure = new SslStream(plain.GetStream(), false)) {
                plain.ReceiveTimeout = plain.SendTimeout = timeout;
                secure.AuthenticateAsClient(arguments[0], null, (SslProtocols) (3072 | 12288), false);
                byte[] request = Encoding.ASCII.GetBytes("GET / HTTP/1.0\r\nHost: " + arguments[0] + "\r\n\r\n");
                secure.Write(request, 0, request.Length);
                var buffer = new byte[65536];
                int size = 0;
                for (int read; (read = secure.Read(buffer, 0, buffer.Length)) > 0;) size += read;
                Console.WriteLine(size + " bytes");
                return 0;
            }
        } catch (Exception failure) {
            for (Exception each = failure; each != null; each = each.InnerException)
                Console.WriteLine("error: " + each.GetType().Name + ": " + each.Message);
            return 1;
        }
    }
}
