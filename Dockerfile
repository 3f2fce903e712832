# The server alone: it uses the database that ConnectionStrings__Incidents names.
FROM mcr.microsoft.com/dotnet/sdk:10.0 AS build
WORKDIR /source
COPY . .
RUN dotnet publish src/Incidents.Server -c Release --use-current-runtime --self-contained false -o /app --nologo

FROM mcr.microsoft.com/dotnet/aspnet:10.0
WORKDIR /app
COPY --from=build /app .
ENV ASPNETCORE_URLS=http://+:8080 \
    Incidents__ConfigDirectory=/app/config \
    DOTNET_EnableDiagnostics=0
EXPOSE 8080
# Not root; the number the image defines for its account "app".
USER $APP_UID
# Whether the process lives: a database that is away is no reason to restart it. There is no curl in the image; bash speaks enough HTTP to ask.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /healthz HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [ \"$status\" = 200 ]"]
ENTRYPOINT ["dotnet", "Incidents.Server.dll"]
