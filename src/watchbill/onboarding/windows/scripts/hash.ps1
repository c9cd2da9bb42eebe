# The hash of the package, where only administrators write; from elsewhere it is brought there first.
$file = Join-Path $staging $given.name
if ($given.from) {
    $from = [Environment]::ExpandEnvironmentVariables($given.from)
    [void](New-Item -ItemType Directory -Force -Path $staging)
    Copy-Item -LiteralPath $from -Destination $file -Force
    Remove-Item -LiteralPath $from -Force
}
Say @{
    sha256 = (Get-FileHash -LiteralPath $file -Algorithm SHA256).Hash.ToLower()
    size = (Get-Item -LiteralPath $file).Length
}
