# Takes the package from standard input: lines of base64, and a dot at the end.
[void](New-Item -ItemType Directory -Force -Path $staging)
$file = Join-Path $staging $given.name
$to = [IO.File]::Create($file)
try {
    $line = [Console]::In.ReadLine()
    while ($line -and $line -ne '.') {
        $bytes = [Convert]::FromBase64String($line)
        $to.Write($bytes, 0, $bytes.Length)
        $line = [Console]::In.ReadLine()
    }
} finally { $to.Close() }
if ($line -ne '.') { throw 'The upload was cut off.' }
Say @{ size = (Get-Item -LiteralPath $file).Length }
