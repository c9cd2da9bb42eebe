# Puts the unpacked agent into its place and makes it the current one. What was there before is kept in the staging folder.
$target = Join-Path $root $given.version
$before = $null
if (Test-Path -LiteralPath $current) { $before = Split-Path -Leaf (@((Get-Item -LiteralPath $current).Target)[0]) }
Stop-Agent
if (Test-Path -LiteralPath $target) { Move-Item -LiteralPath $target -Destination (Join-Path $staging 'replaced') }
Move-Item -LiteralPath (Join-Path $staging "unpacked\watchbill-agent-$($given.version)") -Destination $target
if (Test-Path -LiteralPath $current) { [IO.Directory]::Delete($current) }
[void](New-Item -ItemType Junction -Path $current -Value $target)
# Anybody may make folders below ProgramData: this one is the administrators' alone, whoever made it.
$data = Join-Path $env:ProgramData 'Watchbill'
if (-not $before) {
    [void](New-Item -ItemType Directory -Force -Path (Join-Path $data 'Agent'))
    foreach ($words in ('/setowner *S-1-5-32-544 /T', '/reset /T', '/inheritance:r /grant:r *S-1-5-18:(OI)(CI)F *S-1-5-32-544:(OI)(CI)F')) {
        [void](& icacls.exe $data $words.Split(' ') /C /Q)
        if ($LASTEXITCODE) { throw "icacls $words of $data ended with $LASTEXITCODE." }
    }
}
Say @{ before = $before }
