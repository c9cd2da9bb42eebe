# Fetches the package from the Engine. Nothing is said to a server that shows another certificate than the pinned one.
[void](New-Item -ItemType Directory -Force -Path $staging)
$file = Join-Path $staging $given.name
$stream = Connect-Server
if ($given.tls -and $given.pin -and $script:shown -ne $given.pin) { throw 'The Engine shows another certificate than the pinned one.' }
if ($given.tls -and -not $given.pin -and $script:fault -ne 'None') { throw "The Engine's certificate is not trusted: $script:fault." }
$head = Ask $stream "GET $($given.path)"
if ($head -notmatch '^HTTP/1\.\d 200 ') { throw "The Engine answered $($head.Split("`r")[0])" }
$to = [IO.File]::Create($file)
try { $stream.CopyTo($to) } finally { $to.Close() }
$stream.Close()
if ((Get-FileHash -LiteralPath $file -Algorithm SHA256).Hash -ne $given.sha256) { throw 'The Engine gave another package.' }
Say @{ size = (Get-Item -LiteralPath $file).Length }
