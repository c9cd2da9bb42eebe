# Whether this machine reaches the Engine. Any certificate will do here: nothing is said but a question that anybody may ask.
$stage = 'connect'
try {
    $stream = Connect-Server
    $stage = 'http'
    [void](Ask $stream 'HEAD /healthz')
    $stream.Close()
    Say @{ is_reached = $true; stage = $stage; detail = ''; shown = $script:shown }
} catch {
    Say @{ is_reached = $false; stage = $stage; detail = $_.Exception.GetBaseException().Message; shown = $script:shown }
}
