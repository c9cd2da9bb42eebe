# What this machine is, as whom we are here, and what there is of the agent. Changes nothing.
$windows = Get-ItemProperty 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion'
$version = [Environment]::OSVersion.Version
$arch = $env:PROCESSOR_ARCHITECTURE
if ($env:PROCESSOR_ARCHITEW6432) { $arch = $env:PROCESSOR_ARCHITEW6432 }
$me = [Security.Principal.WindowsPrincipal][Security.Principal.WindowsIdentity]::GetCurrent()
$program = Join-Path $current 'watchbill-agent.exe'
$agent = $null
$service = $null
if (Test-Path -LiteralPath $program) {
    $agent = Agent $program @('status', '--json') ''
    $service = Agent $program @('service', 'status', '--json') ''
}
Say @{
    name = [Net.Dns]::GetHostName()
    system = "$($windows.ProductName)"
    is_server = "$($windows.InstallationType)" -ne 'Client'
    version = "$version"
    arch = "$arch".ToLower()
    powershell = "$($PSVersionTable.PSVersion)"
    is_administrator = $me.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)
    free = (New-Object IO.DriveInfo ($root.Substring(0, 1))).AvailableFreeSpace
    clock = [Math]::Round(([DateTime]::UtcNow - (New-Object DateTime 1970, 1, 1)).TotalSeconds, 3)
    agent = $agent
    service = $service
    is_half = Test-Path -LiteralPath $staging
}
