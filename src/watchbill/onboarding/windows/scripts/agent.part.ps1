# Runs the agent. Its words on standard error are no errors of PowerShell's.
function Agent([string]$program, [string[]]$words, [string]$text) {
    $ErrorActionPreference = 'Continue'
    # Were the code page UTF-8, what is piped on would begin with a byte order mark.
    try { [Console]::InputEncoding = [Text.Encoding]::ASCII } catch { [void]$_ }
    $said = @($text | & $program $words 2>&1 | ForEach-Object { "$_" }) -join "`n"
    @{ code = $LASTEXITCODE; text = $said }
}
function Stop-Agent {
    Get-CimInstance Win32_Service | Where-Object { "$($_.PathName)" -like "*$root\*" } | ForEach-Object { Stop-Service $_.Name -Force }
    Get-CimInstance Win32_Process | Where-Object { "$($_.ExecutablePath)" -like "$root\*" } |
        ForEach-Object { Stop-Process -Id $_.ProcessId -Force -ErrorAction SilentlyContinue }
}
