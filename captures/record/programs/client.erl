%% GETs a page by Erlang's ssl application, a TLS stack of its own.
%% Arguments: host, port, PEM bundle of trust anchors, timeout in ms.
-module(client).
-export([main/1]).

main([Host, Port, Bundle, Timeout]) ->
    logger:set_primary_config(level, none),
    {ok, _} = application:ensure_all_started(ssl),
    Match = public_key:pkix_verify_hostname_match_fun(https),
    Options = [binary, {active, false}, {verify, verify_peer}, {cacertfile, Bundle}, {depth, 10},
               {versions, ['tlsv1.3', 'tlsv1.2']},
               {server_name_indication, Host}, {customize_hostname_check, [{match_fun, Match}]}],
    case ssl:connect(Host, list_to_integer(Port), Options, list_to_integer(Timeout)) of
        {ok, Socket} ->
            ok = ssl:send(Socket, ["GET / HTTP/1.0\r\nHost: ", Host, "\r\n\r\n"]),
            case ssl:recv(Socket, 0, list_to_integer(Timeout)) of
                {ok, Answer} -> io:format("~p bytes~n", [byte_size(Answer)]), ssl:close(Socket), halt(0);
                {error, Reason} -> io:format("error: ~0p~n", [Reason]), halt(1)
            end;
        {error, Reason} ->
            io:format("error: ~0p~n", [Reason]),
            timer:sleep(100),
            halt(1)
    end.
