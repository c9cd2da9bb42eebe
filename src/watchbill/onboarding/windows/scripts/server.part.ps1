# A connection to the Engine. Any certificate is taken here: who goes on has to look at its SHA-256 or its fault first.
$script:shown = ''
$script:fault = 'unchecked'
function Connect-Server {
    $client = New-Object Net.Sockets.TcpClient($given.host, $given.port)
    $client.ReceiveTimeout = 30000
    $client.SendTimeout = 30000
    if (-not $given.tls) { return $client.GetStream() }
    $judge = [Net.Security.RemoteCertificateValidationCallback] { $script:fault = "$($args[3])"; $true }
    $stream = New-Object Net.Security.SslStream($client.GetStream(), $false, $judge)
    $stream.AuthenticateAsClient($given.host, $null, [Security.Authentication.SslProtocols]::Tls12, $false)
    $hash = [Security.Cryptography.SHA256]::Create().ComputeHash($stream.RemoteCertificate.GetRawCertData())
    $script:shown = [BitConverter]::ToString($hash).Replace('-', '').ToLower()
    $stream
}
function Ask($stream, [string]$request) {
    $bytes = [Text.Encoding]::ASCII.GetBytes("$request HTTP/1.0`r`nHost: $($given.authority)`r`nConnection: close`r`n")
    $more = [Text.Encoding]::ASCII.GetBytes("$($given.header)`r`n")
    $stream.Write($bytes, 0, $bytes.Length)
    $stream.Write($more, 0, $more.Length)
    $head = New-Object Text.StringBuilder
    while (-not $head.ToString().EndsWith("`r`n`r`n")) {
        $byte = $stream.ReadByte()
        if ($byte -lt 0 -or $head.Length -gt 16384) { throw 'What answers there does not speak HTTP.' }
        [void]$head.Append([char]$byte)
    }
    $head.ToString()
}
