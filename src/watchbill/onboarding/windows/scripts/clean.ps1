# Removes what is only needed while installing; where a version is named, that one too, and what was there before is put back.
if ($given.version) {
    $target = Join-Path $root $given.version
    $program = Join-Path $current 'watchbill-agent.exe'
    if ($given.has_service -and (Test-Path -LiteralPath $program)) { [void](Agent $program @('service', 'remove') '') }
    Stop-Agent
    if (Test-Path -LiteralPath $current) { [IO.Directory]::Delete($current) }
    if (Test-Path -LiteralPath $target) { Remove-Item -LiteralPath $target -Recurse -Force }
    $replaced = Join-Path $staging 'replaced'
    if (Test-Path -LiteralPath $replaced) { Move-Item -LiteralPath $replaced -Destination $target }
    if ($given.before) {
        [void](New-Item -ItemType Junction -Path $current -Value (Join-Path $root $given.before))
        [void](Agent $program @('service', 'install') '')
    }
}
if ($given.from) { Remove-Item -LiteralPath ([Environment]::ExpandEnvironmentVariables($given.from)) -Force -ErrorAction SilentlyContinue }
if (Test-Path -LiteralPath $staging) { Remove-Item -LiteralPath $staging -Recurse -Force }
if ((Test-Path -LiteralPath $root) -and -not (Get-ChildItem -LiteralPath $root -Force)) { Remove-Item -LiteralPath $root -Force }
Say @{ is_clean = $true }
