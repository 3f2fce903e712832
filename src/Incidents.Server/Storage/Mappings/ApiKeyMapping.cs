using Incidents.Server.Web;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Incidents.Server.Storage.Mappings;

internal sealed class ApiKeyMapping : IEntityTypeConfiguration<ApiKey>
{
    public void Configure(EntityTypeBuilder<ApiKey> builder)
    {
        builder.ToTable("api_keys");
        builder.HasKey(k => k.Id);
        builder.Property(k => k.Id).ValueGeneratedNever();
        builder.Property(k => k.Name).HasMaxLength(100);
        builder.Property(k => k.Prefix).HasMaxLength(16);
        builder.Property(k => k.Source).HasMaxLength(100);
        builder.Property(k => k.Team).HasMaxLength(100);
        builder.Property(k => k.PreviousPrefix).HasMaxLength(16);
        builder.HasIndex(k => k.Prefix).IsUnique();
    }
}
