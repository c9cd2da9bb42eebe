# Goes before every script. What a script is told is a line of JSON on standard input; what it says is a line of JSON, in ASCII, as the
# console's code page is anybody's guess.
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
function Say($value) {
    $json = ConvertTo-Json -Compress -Depth 5 $value
    [Console]::Out.WriteLine([regex]::Replace($json, '[^ -~]', { '\u{0:x4}' -f [int][char]$args[0].Value }))
}
trap {
    Say @{ error = $_.Exception.GetBaseException().Message }
    exit 1
}
$given = ConvertFrom-Json ([Console]::In.ReadLine())
$files = $env:ProgramFiles
if ($env:ProgramW6432) { $files = $env:ProgramW6432 }
$root = Join-Path $files 'Watchbill\Agent'
$staging = Join-Path $root '.staging'
$current = Join-Path $root 'current'
