# Unpacks the package beside its place, and has the agent in it check the signature.
$archive = Join-Path $staging $given.name
$manifest = Join-Path $staging 'manifest.json'
$unpacked = Join-Path $staging 'unpacked'
if (Test-Path -LiteralPath $unpacked) { Remove-Item -LiteralPath $unpacked -Recurse -Force }
Add-Type -AssemblyName System.IO.Compression.FileSystem
[IO.Compression.ZipFile]::ExtractToDirectory($archive, $unpacked)
[IO.File]::WriteAllBytes($manifest, [Convert]::FromBase64String($given.manifest))
$program = Join-Path $unpacked "watchbill-agent-$($given.version)\watchbill-agent.exe"
$words = 'package', 'verify', '--archive', $archive, '--manifest', $manifest
Say (Agent $program ($words + "--signature=$($given.signature)" + "--key=$($given.key)") '')
