<?php
// GETs a page by PHP's https stream. Arguments: URL, PEM bundle of trust anchors, timeout in seconds.
[, $url, $bundle, $timeout] = $argv;
$said = [];
set_error_handler(function ($number, $text) use (&$said) { $said[] = $text; return true; });
$context = stream_context_create([
    'ssl' => ['cafile' => $bundle, 'verify_peer' => true, 'verify_peer_name' => true],
    'http' => ['timeout' => (float) $timeout, 'follow_location' => 0],
]);
$answer = file_get_contents($url, false, $context);
if ($answer === false) {
    foreach ($said as $text) {
        echo 'error: ', str_replace("\n", ' ', $text), "\n";
    }
    exit(1);
}
echo strlen($answer), " bytes\n";
